/* SPDX-License-Identifier: Apache-2.0 */
/* The list of network interfaces, behind a pointer in the ioctl's argument. */
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "victim.h"

int main(void)
{
	int fd = MUST(socket(AF_INET, SOCK_DGRAM, 0));
	struct ifreq list[64];
	struct ifconf conf = { .ifc_len = 0, .ifc_req = NULL };

	MUST(ioctl(fd, SIOCGIFCONF, &conf));
	printf("%d bytes needed\n", conf.ifc_len);
	conf.ifc_len = sizeof(list);
	conf.ifc_req = list;
	MUST(ioctl(fd, SIOCGIFCONF, &conf));
	for (int i = 0; i < conf.ifc_len / (int)sizeof(list[0]); i++)
		puts(list[i].ifr_name);
	conf.ifc_len = sizeof(list[0]);
	MUST(ioctl(fd, SIOCGIFCONF, &conf));
	printf("%d bytes of one\n", conf.ifc_len);
	return 0;
}
