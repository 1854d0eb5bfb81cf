#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs two tags of an image as one container.
#
#   run.sh OLD-IMAGE NEW-IMAGE [COMMAND...]        podman's options go into PODMAN_OPTIONS
#   PODMAN_OPTIONS='-d -p 6379:6379' run.sh app:v1 app:v2
set -eu
[ $# -ge 2 ] || {
	sed -n 's/^# \{0,1\}//;3,6p' "$0"
	exit 2
}
old=$1 new=$2
shift 2
# shellcheck disable=SC2086 # options are words
exec podman --runtime mx-shim run ${PODMAN_OPTIONS-} --mount "type=image,source=$old,destination=/.mx/old" \
	--annotation io.mx.old=/.mx/old "$new" "$@"
