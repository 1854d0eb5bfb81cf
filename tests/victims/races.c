/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads whose order nothing fixes, with long computations between: what they write depends on the
 * order, so that two versions are told apart unless one follows the other's. Prints only what is
 * always so.
 */
#include <fcntl.h>
#include <pthread.h>

#include "victim.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int order[400], n, null;

static void *worker(void *arg)
{
	char text[32];

	for (int i = 0; i < 100; i++) {
		volatile unsigned x = 0;
		int at;

		for (int k = 0; k < 20000 * (int)(long)arg; k++)
			x += k;
		pthread_mutex_lock(&lock);
		at = n++;
		order[at] = (int)(long)arg;
		for (int k = 0; k < 5000; k++)
			x += k;
		pthread_mutex_unlock(&lock);
		snprintf(text, sizeof(text), "%d %ld\n", at, (long)arg);
		if (write(null, text, strlen(text)) < 0)
			_exit(1);
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[4];
	int seen = 0;

	null = MUST(open("/dev/null", O_WRONLY));
	for (long i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, worker, (void *)(i + 1));
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < n; i++) {
		seen += order[i];
		dprintf(null, "%d", order[i]);
	}
	SEE(n == 400 && seen == 1000);
	return 0;
}
