/* SPDX-License-Identifier: Apache-2.0 */
/* Temporary names are random: one file is made, and everybody knows it by the same name. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "victim.h"

int main(void)
{
	char a[] = "tmp.XXXXXX", b[] = "dir.XXXXXX", path[64];
	struct dirent *entry;
	int fd = MUST(mkstemp(a)), found = 0;
	FILE *f;
	DIR *d;

	MUST(write(fd, a, strlen(a)));
	SEE(mkdtemp(b) != NULL);
	snprintf(path, sizeof(path), "%s/inside", b);
	close(MUST(open(path, O_CREAT | O_EXCL | O_WRONLY, 0600)));
	d = opendir(".");
	while (d && (entry = readdir(d)))
		found += strncmp(entry->d_name, "tmp.", 4) == 0 ||
			 strncmp(entry->d_name, "dir.", 4) == 0;
	SEE(found == 2);
	f = tmpfile();
	SEE(f != NULL);
	MUST(unlink(path));
	MUST(rmdir(b));
	MUST(unlink(a));
	SEE(access(a, F_OK) == -1);
	return 0;
}
