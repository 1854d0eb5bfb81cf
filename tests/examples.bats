#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Each file of examples/ is tried: here, or in oci_engines.bats (containerd, docker, podman-kube) and
# oci_install.bats (podman). What needs a newer engine than Debian's is run by the nearest that there is.

# shellcheck disable=SC2030,SC2031,SC2154

load podman.bash

setup_file() {
	podman_setup mx-shim
	make_shim mx-shim ''
	podman tag test:old localhost/app:v1
	podman tag test:new localhost/app:v2
	podman tag test:old localhost/redis:old
}

teardown_file() {
	podman_teardown
}

teardown() {
	podman rm -fa -t 0 >/dev/null 2>&1 || :
}

@test "every example is tried somewhere" {
	local file
	while read -r file; do
		grep -qF -e "$file" -e "${file%/*}\"/*.${file##*.}" -e "${file%/*}/*.${file##*.}" "$here"/*.bats "$root"/scripts/demo* || {
			echo "no test names examples/$file"
			return 1
		}
	done < <(cd "$root/examples" && git ls-files -co --exclude-standard | grep -v README)
}

# Of a quadlet unit: the values of a key.
unit() {
	sed -n "s/^$1=//p" "$root/examples/quadlet/app.container"
}

# Quadlet is newer than Debian's podman; these are the options that its generator makes of such a unit.
@test "quadlet/app.container" {
	local global options=() value
	read -ra global <<<"$(unit GlobalArgs)"
	for value in $(unit Mount); do options+=(--mount "$value"); done
	for value in $(unit Annotation); do options+=(--annotation "$value"); done
	[ ${#options[@]} = 4 ]
	[ "$(podman "${global[@]}" run --rm "${options[@]}" "$(unit Image)" cat /etc/version /.mx/root/etc/version)" = $'new\nold' ]
	# No other keys than podman-systemd.unit(5) has in these groups.
	run grep -vE '^(#.*|\[(Unit|Container|Service|Install)\]|(Description|Image|Mount|Annotation|GlobalArgs|Restart|WantedBy)=.+|)$' \
		"$root/examples/quadlet/app.container"
	[ "$status" = 1 ]
}

# podman before 5.3 knows no image volumes in pods: the claim that podman-kube.yaml uses stands for it. No podman
# tells a runtime the containers' names in the pod, so the annotation is without, as the file says.
# Images without a PATH have none in a pod either: the command is a path.
@test "kubernetes/pod.yaml, with its image volume as a claim" {
	podman volume create --driver image --opt image=localhost/app:v1 app-old >/dev/null
	/usr/bin/python3 -c '
import sys, yaml
pod = yaml.safe_load(open(sys.argv[1]))
volume = pod["spec"]["volumes"][0]
assert volume.pop("image") == {"reference": "localhost/app:v1", "pullPolicy": "IfNotPresent"}
volume["persistentVolumeClaim"] = {"claimName": "app-old"}
assert pod["metadata"]["annotations"] == {"io.mx.old/app": "/.mx/old"}
pod["metadata"]["annotations"] = {"io.mx.old": "/.mx/old"}
pod["spec"]["containers"][0]["command"] = ["/bin/sleep", "1000"]
print(yaml.safe_dump(pod))' "$root/examples/kubernetes/pod.yaml" >"$BATS_TEST_TMPDIR/pod.yaml"
	podman --runtime mx-shim kube play --network none "$BATS_TEST_TMPDIR/pod.yaml" >/dev/null
	[ "$(podman exec app-app /bin/cat /etc/version /.mx/root/etc/version)" = $'new\nold' ]
	[ "$(podman exec app-app /bin/cat /proc/1/cmdline | tr '\0' ' ' | cut -d ' ' -f 1,2)" = "/.mx/mx run" ]
	podman kube down "$BATS_TEST_TMPDIR/pod.yaml" >/dev/null
}

# annotations FILE: io.mx.NAME and value of each, a line each.
annotations() {
	/usr/bin/python3 -c '
import sys, yaml
def walk(x):
    if isinstance(x, dict):
        for k, v in x.items():
            if isinstance(k, str) and k.startswith("io.mx."):
                print(k.split("/")[0], v, sep="=")
            walk(v)
    elif isinstance(x, list):
        for v in x: walk(v)
for document in yaml.safe_load_all(open(sys.argv[1])):
    walk(document)' "$1"
}

@test "kubernetes/deployment.yaml, rollout.yaml, metrics.yaml, runtimeclass.yaml: annotations are accepted" {
	local file seen=0 line options
	for file in deployment.yaml rollout.yaml metrics.yaml runtimeclass.yaml; do
		options=()
		while read -r line; do
			options+=(--annotation "$line")
			seen=$((seen + 1))
		# podman takes a value with a comma apart: what is before it.
		done < <(annotations "$root/examples/kubernetes/$file" | grep -v '^io.mx.old=' | sed 's/,.*//')
		[ "$(podman --runtime mx-shim run --rm "${mx_flags[@]}" "${options[@]}" test:new cat /etc/version)" = new ]
	done
	[ $seen -ge 2 ]
	# One that does not exist is refused, so the above says something.
	run podman --runtime mx-shim run --rm "${mx_flags[@]}" --annotation io.mx.nonsense=1 test:new true
	[ "$status" != 0 ]
}

@test "kubernetes: the commands in rollout.yaml and metrics.yaml are mx's" {
	local verb option
	for verb in $(grep -ohE '"/?mx", "[a-z]+"' "$root"/examples/kubernetes/*.yaml | grep -oE '[a-z]+"$' | tr -d '"'); do
		"$BUILD/mx" help "$verb" >"$BATS_TEST_TMPDIR/help"
		for option in $(grep -hE "\"/?mx\", \"$verb\"" "$root"/examples/kubernetes/*.yaml | grep -oE '"--[a-z-]+' | tr -d '"'); do
			grep -q -- "$option" "$BATS_TEST_TMPDIR/help" || { echo "mx $verb has no $option"; return 1; }
		done
	done
	[ -s "$BATS_TEST_TMPDIR/help" ]
	"$BUILD/mx" metrics >"$BATS_TEST_TMPDIR/metrics"
}

@test "kubernetes/grafana.json asks for metrics that there are" {
	local metric names
	podman --runtime mx-shim run -d --name c1 "${mx_flags[@]}" test:new sleep 1000 >/dev/null 3>&-
	for _ in {1..100}; do
		"$BUILD/mx" metrics >"$BATS_TEST_TMPDIR/metrics"
		grep -q '^mx_phase' "$BATS_TEST_TMPDIR/metrics" && break
		sleep 0.1
	done
	names=$(jq -r '.. | .expr? // empty' "$root/examples/kubernetes/grafana.json" | grep -oE '\bmx_[a-z_]+' | sort -u)
	[ "$(wc -w <<<"$names")" -gt 3 ]
	for metric in $names; do
		grep -q "^# TYPE ${metric%_sum}\|^# TYPE ${metric%_count}\|^# TYPE ${metric%_bucket}" "$BATS_TEST_TMPDIR/metrics" ||
			{ echo "no metric $metric"; return 1; }
	done
}

@test "cri-o/10-mx.conf: the runtime's table is complete" {
	/usr/bin/python3 -c '
import sys, tomllib
mx = tomllib.load(open(sys.argv[1], "rb"))["crio"]["runtime"]["runtimes"]["mx"]
assert mx["runtime_path"].endswith("/mx-shim"), mx
assert any(a.startswith("io.mx") for a in mx["allowed_annotations"]) if "allowed_annotations" in mx else True, mx
' "$root/examples/cri-o/10-mx.conf"
}
