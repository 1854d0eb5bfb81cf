/* SPDX-License-Identifier: Apache-2.0 */
/* What of this machine will or won't work for MX, found out by trying where that is possible. */
#ifndef MX_DOCTOR_H
#define MX_DOCTOR_H

#include "base/str.h"

enum finding_level {
	FINDING_GOOD,
	FINDING_LESS, /* it works, with something less */
	FINDING_BAD,  /* MX does not work, or that part of it */
};

struct finding {
	const char *topic; /* a fixed word or two */
	enum finding_level level;
	struct str text; /* what was found, and why it matters or what to do */
};

struct findings {
	struct finding *items;
	size_t count;
};

/* The engine: what `mx run` needs. @mx: the path of this program. */
void doctor_engine(struct findings *f, const char *mx);
/* Containers: what mx-shim and mx-hook need. @mx_conf as for config_load(). */
void doctor_containers(struct findings *f, const char *mx_conf);

void findings_add(struct findings *f, const char *topic, enum finding_level level, const char *fmt,
	...) PRINTF_LIKE(4, 5);
void findings_free(struct findings *f);

#endif
