/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last events of a run, kept in memory for whoever asks over the control socket: bounded in
 * number and in bytes, the oldest go first. Adding is short and never waits for a reader.
 */
#ifndef MX_CTL_RECENT_H
#define MX_CTL_RECENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct recent;

struct recent *recent_new(void);
void recent_free(struct recent *r);

/* Keeps a copy of a line (without its line feed), and makes recent_fd() readable. Any thread. */
void recent_add(struct recent *r, const char *line, size_t len);

/*
 * Appends the lines from number *@seq on, one each with a line feed, up to about @room bytes, and
 * sets *@seq to the number after the last of them. Numbers begin at 0. Returns how many lines were
 * asked for that are gone already.
 */
uint64_t recent_get(struct recent *r, uint64_t *seq, size_t room, struct str *out);

/* An eventfd to poll for; recent_seen() makes it quiet again. Belongs to @r. */
int recent_fd(const struct recent *r);
void recent_seen(struct recent *r);

#endif
