// SPDX-License-Identifier: 0BSD
// An LMTP session: the same bytes, however they arrive, must give the same replies and messages.
#include <cstdint>
#include <cstdlib>

#include "tests/fakes/lmtp_script.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const qv::wire::lmtp::Limits limits{200, 3, 20};
  qv::LmtpScript whole(limits);
  qv::LmtpScript pieces(limits);
  whole.feed(bytes, bytes.size());
  pieces.feed(bytes, 1 + data[0] % 7);
  if (whole.replies != pieces.replies || whole.messages != pieces.messages) abort();
  if (whole.closed != pieces.closed) abort();
  return 0;
}
