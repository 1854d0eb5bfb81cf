/* SPDX-License-Identifier: Apache-2.0 */
/* Who sleeps at a ring, and what wakes it. */
#include "mxm/ring.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mxm/group.h"
#include "tap.h"

enum { LEADER, FOLLOWER };

struct sleeper {
	uint64_t *word;
	uint32_t value;
	int error; /* of the wait, 0: it was woken */
};

static void *run(void *arg)
{
	const struct timespec limit = { .tv_sec = 60 };
	struct sleeper *s = arg;

	s->error =
		syscall(SYS_futex, s->word, FUTEX_WAIT, s->value, &limit, NULL, 0) < 0 ? errno : 0;
	return NULL;
}

static int wait_as_leader(uint64_t *word, uint32_t value)
{
	struct sleeper s = { word, value, 0 };

	run(&s);
	return s.error;
}

int main(void)
{
	struct mxm mxm = { .config.nversions = 2 };
	struct group group = { .mxm = &mxm, .leader = LEADER, .followers = 1u << FOLLOWER };
	struct sleeper s = { 0 };
	struct err err = { 0 };
	pthread_t thread;

	ring_forsake(&group, FOLLOWER);
	ok(true, "without a ring there is nobody to wake");
	ok(ring_new(&group.ring, &err) == 0, "a ring");
	s.word = &ring_control(group.ring, FOLLOWER)->vetted;
	*s.word = s.value = 7;
	pthread_create(&thread, NULL, run, &s);
	usleep(1000);
	group.followers = 0;
	ring_forsake(&group, FOLLOWER);
	pthread_join(thread, NULL);
	ok(s.error == 0 || s.error == EAGAIN,
		"a leader that sleeps at a barrier is woken when the follower is lost");
	is_int(wait_as_leader(s.word, 7), EAGAIN, "and one that was about to does not sleep");
	ok(*s.word != 8, "that version has not come to the next call");
	ring_end(&group);
	return tap_done();
}
