/* SPDX-License-Identifier: Apache-2.0 */
#include "rem/donor.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/str.h"
#include "sea/sha256.h"

#define FILE_MAX (256ul << 20) /* what SEA reads */

int donor_open(const char *path, const uint8_t sha[32], struct donor *ret, struct err *err)
{
	cleanup_str struct str text = STR_INIT;
	uint8_t digest[SHA256_LEN];
	struct sha256 h;
	int rc = io_read_file(path, FILE_MAX, &text, err);

	if (rc < 0)
		return rc;
	sha256_init(&h);
	sha256_update(&h, text.data, text.len);
	sha256_final(&h, digest);
	if (memcmp(digest, sha, SHA256_LEN) != 0)
		return err_set(err, ESTALE, "%s is not the file any more that was analysed", path);
	if (text.len < sizeof(Elf64_Ehdr))
		return err_set(err, ENOEXEC, "%s is no ELF file", path);
	*ret = (struct donor){ .data = (uint8_t *)text.data, .size = text.len };
	text = (struct str)STR_INIT;
	return 0;
}

void donor_close(struct donor *donor)
{
	free(donor->data);
	*donor = (struct donor){ 0 };
}

const uint8_t *donor_bytes(const struct donor *donor, uint64_t addr, uint64_t len)
{
	Elf64_Ehdr eh;

	memcpy(&eh, donor->data, sizeof(eh));
	if (eh.e_phentsize != sizeof(Elf64_Phdr) || eh.e_phoff > donor->size ||
		eh.e_phnum > (donor->size - eh.e_phoff) / sizeof(Elf64_Phdr))
		return NULL;
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		Elf64_Phdr ph;

		memcpy(&ph, donor->data + eh.e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type != PT_LOAD || addr < ph.p_vaddr || addr - ph.p_vaddr > ph.p_filesz ||
			len > ph.p_filesz - (addr - ph.p_vaddr) || ph.p_offset > donor->size ||
			ph.p_filesz > donor->size - ph.p_offset)
			continue;
		return donor->data + ph.p_offset + (addr - ph.p_vaddr);
	}
	return NULL;
}
