/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/sea/places.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"

struct places {
	Dwarf *dwarf;
	int fd;
};

struct places *places_open(const char *path)
{
	struct places p = { .fd = open(path, O_RDONLY | O_CLOEXEC) };

	p.dwarf = p.fd < 0 ? NULL : dwarf_begin(p.fd, DWARF_C_READ);
	if (!p.dwarf) {
		if (p.fd >= 0)
			close(p.fd);
		return NULL;
	}
	return memcpy(xzalloc(sizeof(p)), &p, sizeof(p));
}

void places_close(struct places *p)
{
	if (!p)
		return;
	dwarf_end(p->dwarf);
	close(p->fd);
	free(p);
}

static void append(char *text, size_t room, const char *more)
{
	size_t len = strlen(text);

	snprintf(text + len, room - len, "%s", more);
}

static void append_line(struct place *at, int line, int column)
{
	char text[32];

	snprintf(text, sizeof(text), "%07d:%04d ", line, column);
	append(at->lines, sizeof(at->lines), text);
}

static int number_of(Dwarf_Die *die, unsigned attribute)
{
	Dwarf_Attribute attr;
	Dwarf_Word value;

	return dwarf_attr(die, attribute, &attr) && dwarf_formudata(&attr, &value) == 0 ? (int)value
											: 0;
}

struct place places_find(struct places *p, uint64_t pc)
{
	struct place at = { "", "" };
	Dwarf_Die unit, *scopes;
	Dwarf_Line *line;
	int n, number = 0, column = 0;

	if (!p || !dwarf_addrdie(p->dwarf, pc, &unit))
		return at;
	n = dwarf_getscopes(&unit, pc, &scopes);
	for (int i = n; i-- > 0;) {
		const char *name = dwarf_diename(&scopes[i]);

		if (dwarf_tag(&scopes[i]) != DW_TAG_inlined_subroutine)
			continue;
		append(at.names, sizeof(at.names), name ? name : "?");
		append(at.names, sizeof(at.names), " ");
		append_line(&at, number_of(&scopes[i], DW_AT_call_line),
			number_of(&scopes[i], DW_AT_call_column));
	}
	if (n > 0)
		free(scopes);
	line = dwarf_getsrc_die(&unit, pc);
	if (!line || dwarf_lineno(line, &number) || dwarf_linecol(line, &column))
		return (struct place){ "", "" };
	append_line(&at, number, column);
	return at;
}
