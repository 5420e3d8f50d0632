#!/bin/sh
# Builds the interpreter. Usage: scripts/build.sh OUTPUT [go build flags]
# The same Go version gives the same bytes on any machine: test/build.test.ts holds that.
set -eu
output=$1
shift
case $output in /*) ;; *) output=$PWD/$output ;; esac
cd "$(dirname "$0")/../go"
GOOS=wasip1 GOARCH=wasm GOFLAGS=-mod=readonly GOWASM='' exec go build \
  -buildmode=c-shared -trimpath -buildvcs=false -ldflags '-s -w -buildid=' -o "$output" "$@" .
