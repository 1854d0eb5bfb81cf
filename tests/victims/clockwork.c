/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers of timer_create(2), which bring addresses with their signals: one that repeats, one that
 * fires once, one at a point in time. Their ids do not begin with the first, as others were
 * deleted. It says its id, and at the end what each timer did.
 */
#include <signal.h>
#include <time.h>

#include "victim.h"

#define TIMERS 6

static const char *const names[] = { "often", "once", "then" };
static volatile int fired[3];

static void fire(int sig, siginfo_t *info, void *context)
{
	for (int i = 0; i < 3; i++) {
		if (info->si_value.sival_ptr == names[i])
			fired[i]++;
	}
}

static timer_t make(clockid_t clock, const char *name)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
	timer_t timer;

	ev.sigev_value.sival_ptr = (void *)name;
	MUST(timer_create(clock, &ev, &timer));
	return timer;
}

static void set(timer_t timer, int flags, struct timespec first, long every_ns)
{
	struct itimerspec value = { .it_interval.tv_nsec = every_ns, .it_value = first };

	MUST(timer_settime(timer, flags, &value, NULL));
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = fire, .sa_flags = SA_SIGINFO };
	struct itimerspec left;
	struct timespec then;
	timer_t others[TIMERS], often, once, at;

	setvbuf(stdout, NULL, _IOLBF, 0);
	MUST(sigaction(SIGRTMIN, &sa, NULL));
	for (int i = 0; i < TIMERS; i++)
		others[i] = make(CLOCK_MONOTONIC, "other");
	often = make(CLOCK_MONOTONIC, names[0]);
	once = make(CLOCK_BOOTTIME, names[1]);
	at = make(CLOCK_REALTIME, names[2]);
	for (int i = 0; i < TIMERS; i++)
		MUST(timer_delete(others[i]));
	set(often, 0, (struct timespec){ 0, 20000000 }, 20000000);
	set(once, 0, (struct timespec){ 1, 0 }, 0);
	clock_gettime(CLOCK_REALTIME, &then);
	then.tv_sec++;
	set(at, TIMER_ABSTIME, then, 0);
	printf("ready %d\n", getpid());
	while (fired[0] < 20 || !fired[1] || !fired[2])
		pause();
	SEE(fired[1] == 1 && fired[2] == 1);
	MUST(timer_gettime(often, &left));
	SEE(left.it_interval.tv_nsec == 20000000);
	MUST(timer_delete(often));
	SEE(timer_gettime(often, &left) == -1 && errno == EINVAL);
	return 0;
}
