/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids of processes and threads. The program knows one id for each, that of the version that led
 * when it was made; every other version's kernel has another. A version that has led from the start
 * knows the real ones and needs no translation. All take the run's lock.
 */
#ifndef MX_MXM_IDS_H
#define MX_MXM_IDS_H

#include "mxm/state.h"

/* A new id that the program will know as @known. */
struct ids *ids_new(struct mxm *mxm, pid_t known);
void ids_set(struct mxm *mxm, struct ids *ids, int version, pid_t real);
/* Ended in every version; it stays known for a while, for whoever still waits for it. */
void ids_end(struct mxm *mxm, struct ids *ids);
void ids_free_all(struct mxm *mxm);

/* Translations; an id that is none of the program's own stays as it is. Negative: process groups.
 */
pid_t ids_to_real(struct mxm *mxm, int version, pid_t known);
pid_t ids_to_known(struct mxm *mxm, int version, pid_t real);

/* @version starts anew: none of its kernel objects exists any more. */
void ids_forget_version(struct mxm *mxm, int version);

/*
 * What @version's process has to wait for, to wait for @known: its own child, or that one's
 * stand-in (standins.h). No id of any process (ids_is_pid()) where @version has neither.
 */
pid_t ids_to_waited(struct mxm *mxm, int version, pid_t known);
bool ids_is_pid(pid_t real);
/* 0: none any more. */
void ids_set_standin(struct mxm *mxm, int version, pid_t known, pid_t standin);

/* The program is about to kill process or thread @known, or group @known (0: every process). */
void ids_expect_kill(struct mxm *mxm, pid_t known);
void ids_expect_kill_of_group(struct mxm *mxm, int version, pid_t known);

/* Is @real one of @version's own processes? */
bool ids_is_own(struct mxm *mxm, int version, pid_t real);

#endif
