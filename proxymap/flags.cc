// SPDX-License-Identifier: 0BSD
#include "proxymap/flags.h"

#include "wire/proxymap.h"

namespace qv::proxymap {

std::uint32_t own_flags(std::string_view type, bool pattern) {
  std::uint32_t flags = pattern ? flag::kPattern : flag::kFixed;
  if (type == "cdb" || type == "lmdb") flags |= flag::kTryWithoutNul | flag::kTryWithNul;
  if (type == "lmdb") flags |= flag::kMultiWriter;
  return flags;
}

std::uint32_t opened_flags(std::uint32_t own, std::uint32_t asked) {
  std::uint32_t flags = own | asked;
  if ((own & flag::kMultiWriter) != 0 && (asked & flag::kOpenLock) != 0) {
    flags = (flags & ~flag::kOpenLock) | flag::kLock;
  }
  return flags;
}

std::uint32_t settle(std::uint32_t flags, KeyEnding ending) {
  switch (ending) {
    case KeyEnding::unknown:
      return flags;
    case KeyEnding::without_nul:
      return flags & ~flag::kTryWithNul;
    case KeyEnding::with_nul:
      return flags & ~flag::kTryWithoutNul;
  }
  return flags;
}

}  // namespace qv::proxymap
