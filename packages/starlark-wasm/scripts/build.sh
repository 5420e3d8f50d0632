#!/bin/sh
# Builds the interpreter. Usage: scripts/build.sh OUTPUT [go build flags]
# The same Go version gives the same bytes on any machine: test/build.test.ts holds that.
set -eu
output=$1
shift
case $output in /*) ;; *) output=$PWD/$output ;; esac
cd "$(dirname "$0")/../go"
patches=$PWD/patches

# starlark-go is vendored into a copy of the sources and patched there.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R . "$work/go"
cd "$work/go"
go mod vendor
cd vendor/go.starlark.net
for each in "$patches"/*.patch; do
  GIT_CEILING_DIRECTORIES=$work git apply --whitespace=nowarn "$each"
done
cd "$work/go"
GOOS=wasip1 GOARCH=wasm GOFLAGS=-mod=vendor GOWASM='' go build \
  -buildmode=c-shared -trimpath -buildvcs=false -ldflags '-s -w -buildid=' -o "$output" "$@" .
