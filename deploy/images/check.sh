#!/usr/bin/env bash
# Build the serving image from PYTHON_TAR (a root file system with Python 3.11: debootstrap --variant=minbase
# --include=python3,python3-pip,python3-venv,ca-certificates bookworm rootfs && tar -C rootfs -cf rootfs.tar .), look into
# it and run it. Called by: make image-check
set -euo pipefail
cd "$(dirname "$0")/../.."

base=${PYTHON_TAR:?a tar of a root file system with Python 3.11}
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
work=$(mktemp -d)
containers=()
cleanup() {
    for container in "${containers[@]}"; do buildah rm "$container" > /dev/null; done
    rm -rf "$work"
}
trap cleanup EXIT

echo "== base image"
from=$(buildah from scratch)
containers+=("$from")
buildah add --quiet "$from" "$base" / > /dev/null
buildah commit --quiet "$from" touchline-check-base > /dev/null

# The packages of the locks, so that the build needs no index.
echo "== wheels"
mkdir -p build/wheels
.venv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
    --python-version 3.11 --dest build/wheels --requirement requirements/serving.lock
# Python below 3.11.3, such as Debian's, needs this one too; pip downloads for the Python that it runs on.
.venv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --dest build/wheels \
    "$(sed -n 's/^\(async-timeout==[^ ]*\).*/\1/p' requirements/serving.lock)"

echo "== build"
buildah bud --pull-never --format docker --network host --target serving --tag touchline-check-serving \
    --build-arg PYTHON_IMAGE=localhost/touchline-check-base --build-arg PIP_NO_INDEX=1 \
    --build-arg PIP_FIND_LINKS=/wheels --volume "$PWD/build/wheels:/wheels:ro" \
    --file deploy/images/Dockerfile . > "$work/build.log" 2>&1 || { tail -30 "$work/build.log"; exit 1; }

serving=$(buildah from --pull-never touchline-check-serving)
containers+=("$serving")
inside() { buildah run --network host "$serving" -- "$@"; }

echo "== look"
[ "$(inside id -u)" = 10001 ] || { echo "it runs as root"; exit 1; }
megabytes=$(inside python3 -c 'import pathlib; print(sum(f.lstat().st_size for f in pathlib.Path("/opt/touchline").rglob("*")) // 10**6)')
echo "without its base: $megabytes MB"
[ "$megabytes" -le 350 ] || { echo "more than 350 MB"; exit 1; }
for library in mlflow feast pandas sklearn matplotlib scipy; do
    if inside python3 -c "import importlib.util as u, sys; sys.path.append('/opt/touchline/lib/python3.11/site-packages'); sys.exit(u.find_spec('$library') is None)"; then
        echo "it holds $library"
        exit 1
    fi
done

echo "== run"
.venv/bin/python deploy/images/ask_replica.py "$serving"
