// SPDX-License-Identifier: 0BSD
#include "deliver/counters.h"

#include <sys/mman.h>

#include <new>

#include "core/fault.h"

namespace qv {

void DeliverCounters::count(const Outcome& outcome) {
  switch (outcome.delivery) {
    case Delivery::done:
      ++done;
      bytes += outcome.bytes;
      return;
    case Delivery::retry:
      ++retry;
      return;
    case Delivery::refuse:
      ++refuse;
      return;
  }
}

void SharedCounters::Unmap::operator()(DeliverCounters* counters) const {
  munmap(counters, sizeof *counters);
}

Result<SharedCounters> SharedCounters::make() {
  void* memory = mmap(nullptr, sizeof(DeliverCounters), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return errno_error("mmap");
  return SharedCounters(new (memory) DeliverCounters);
}

void SharedCounters::keep_from_children() const {
  madvise(counters_.get(), sizeof(DeliverCounters), MADV_DONTFORK);
}

}  // namespace qv
