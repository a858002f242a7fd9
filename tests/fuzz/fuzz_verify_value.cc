// SPDX-License-Identifier: 0BSD
// The grammar of VERIFY and of endpoints: what is understood is within its bounds, and an endpoint
// that is written and read again is the same.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "verifyrcpt.h"
#include "verifyvalue.h"

namespace {

void require(bool condition) {
  if (!condition) abort();
}

void try_endpoint(std::string_view text) {
  const qv::Result<qv::Endpoint> endpoint = qv::parse_endpoint(text, qv::kVerifyPort);
  if (!endpoint.ok()) return;
  char written[qv::kEndpointText];
  const std::size_t length = qv::format_endpoint(endpoint.value(), written, sizeof written);
  const qv::Result<qv::Endpoint> again = qv::parse_endpoint({written, length}, 1);
  require(again.ok() && again.value().length == endpoint.value().length);
  require(memcmp(&again.value().address, &endpoint.value().address, sizeof(sockaddr_storage)) == 0);
}

void try_value(std::string_view text) {
  verifyrcpt session;
  const int mode = verifyrcpt_init(&session, text.data(), text.size(), 0);
  const std::string_view reason = verifyrcpt_reason(&session);
  for (const char c : reason) require(c >= ' ' && c <= '~');
  require((mode == VERIFYRCPT_ON) == reason.empty());
  require((mode == VERIFYRCPT_OFF) == text.empty());
  verifyrcpt_close(&session);
  if (text.empty()) return;

  qv::VerifyValue value;
  const auto mistake = qv::parse_verify_value(text, value);
  require(mistake.has_value() == (mode == VERIFYRCPT_MISCONFIGURED));
  if (mistake) return;
  require(value.servers >= 1 && value.servers <= qv::kMaxServers);
  require(value.timeout >= 1 && value.timeout <= 60 && value.tries >= 1 && value.tries <= 10);
  require(value.maxbad <= 10000 && value.badsleep <= 60);
  require(value.defer == (text.front() == 'D' || text.front() == 'd'));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try_value(bytes);
  try_endpoint(bytes);
  return 0;
}
