/* SPDX-License-Identifier: Apache-2.0 */
/* The recording process, and what it says to the one that started it. Private to compare. */
#ifndef MX_COMPARE_RECORDER_H
#define MX_COMPARE_RECORDER_H

#include "compare/record.h"

/* One byte a message, over a socket pair. */
#define RECORD_ENTERED '>' /* to the starter: the program has come to its entry */
#define RECORD_DONE    '.' /* the trace, or the error, is complete */
#define RECORD_TERM    'T' /* to the recorder: SIGTERM for the program */
#define RECORD_FINISH  'F' /* no more: all that is left of the program ends now */

/*
 * The recording process's work; never returns. @sock is its end of the pair; @file takes 0 and the
 * trace, or an errno value and the text of the error.
 */
void __attribute__((noreturn))
recorder_main(const struct record_config *config, int sock, FILE *file);

#endif
