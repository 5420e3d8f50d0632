# Fills the cache of modules with what go.sum names. A project that has its modules in vendor/ needs none.
set -e
if [ -d vendor ]; then
  echo "modules are in vendor/"
  exit 0
fi
if [ ! -e go.mod ]; then
  echo "go.mod is missing: this is no Go module. Run 'go mod init' in the sources, and commit it." >&2
  exit 1
fi
wanted=$(sed -n 's/^go \([0-9.]*\).*/\1/p' go.mod)
has=$(go env GOVERSION | sed 's/^go\([0-9.]*\).*/\1/')
if [ -n "$wanted" ] && [ "$(printf '%s\n' "$wanted" "$has" | sort -V | tail -n 1)" != "$has" ]; then
  echo "go.mod wants Go $wanted, and this container has $has. Run 'go mod edit -go=$has' in the sources, and commit it;" \
    "or give the unit a container with a newer Go: container = \"golang:${wanted%%.*}.$(echo "$wanted" | cut -d. -f2)\"." >&2
  exit 1
fi
if go mod edit -json | grep -q '"Require": \[' && [ ! -e go.sum ]; then
  echo "go.sum is missing: it says what the modules of go.mod are. Run 'go mod tidy' in the sources, and commit it." >&2
  exit 1
fi
before=$(sha256sum go.mod go.sum 2>/dev/null || true)
go mod download
if [ "$before" != "$(sha256sum go.mod go.sum 2>/dev/null || true)" ]; then
  echo "go.sum lacks modules of go.mod. Run 'go mod tidy' in the sources, and commit it." >&2
  exit 1
fi
