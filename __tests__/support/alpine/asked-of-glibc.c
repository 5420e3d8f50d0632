/* What Debian's libgcc asks glibc for, told by what musl has. */
#define _GNU_SOURCE
#include <link.h>
#include <stddef.h>
#include <sys/auxv.h>

unsigned long __getauxval(unsigned long type) { return getauxval(type); }

/* For unwinding. @see glibc dlfcn/dlfcn.h */
struct found {
  unsigned long long flags;
  void *start, *end, *map, *eh_frame;
  unsigned long long reserved[7];
};

struct search {
  ElfW(Addr) pc;
  struct found *found;
};

static int look(struct dl_phdr_info *info, size_t size, void *data) {
  struct search *search = data;
  const ElfW(Phdr) *within = NULL, *frames = NULL;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    ElfW(Addr) start = info->dlpi_addr + header->p_vaddr;
    if (header->p_type == PT_LOAD && search->pc >= start && search->pc < start + header->p_memsz) within = header;
    if (header->p_type == PT_GNU_EH_FRAME) frames = header;
  }
  if (!within || !frames) return 0;
  search->found->flags = 0;
  search->found->start = (void *)(info->dlpi_addr + within->p_vaddr);
  search->found->end = (char *)search->found->start + within->p_memsz;
  search->found->map = NULL;
  search->found->eh_frame = (void *)(info->dlpi_addr + frames->p_vaddr);
  return 1;
}

int _dl_find_object(void *pc, struct found *found) {
  struct search search = {(ElfW(Addr))pc, found};
  return dl_iterate_phdr(look, &search) ? 0 : -1;
}
