// SPDX-License-Identifier: 0BSD
// wire/smtp_reply.h and the conversation that is made of replies: whatever a host sends, no answer
// is definite but after a reply to RCPT, and nothing we send has a line of its making.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "probe/callout.h"

namespace {

void require(bool condition) {
  if (!condition) abort();
}

void try_decoder(std::string_view bytes) {
  qv::wire::SmtpReplyDecoder decoder;
  while (!bytes.empty() && decoder.take(bytes) == qv::wire::Frame::whole) {
    const qv::wire::SmtpReply& reply = decoder.reply();
    require(reply.code >= 200 && reply.code <= 599 && !reply.lines.empty());
    for (const char c : qv::wire::reply_text(reply)) require(c >= ' ' && c <= '~');
  }
}

// A byte of 0 ends what the host sends at a time.
void try_conversation(std::string_view bytes) {
  qv::probe::Callout callout({.hello_name = "mx.example", .sender = "", .lmtp = false});
  callout.connected();
  callout.ask("joe@x.example");
  while (!callout.finished()) {
    const std::size_t end = bytes.find('\0');
    const auto before = callout.step();
    callout.received(bytes.substr(0, end));
    if (const auto outcome = callout.take_outcome()) {
      const bool definite = outcome->status != qv::cache::RecipientStatus::defer;
      require(outcome->status != qv::cache::RecipientStatus::todo);
      require(!definite || before == qv::probe::Callout::Step::rcpt);
      require(outcome->text.size() <= qv::cache::kMaxCacheText);
    }
    if (callout.take_tls_request() && !callout.finished()) callout.secured();
    if (callout.can_ask()) callout.ask("none@x.example");
    const std::string output = callout.take_output();
    require(output.empty() || output.find("\r\n") == output.size() - 2);
    if (end == std::string_view::npos) break;
    bytes.remove_prefix(end + 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try_decoder(bytes);
  try_conversation(bytes);
  return 0;
}
