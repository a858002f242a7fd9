// SPDX-License-Identifier: 0BSD
// rcpt/dotqmail_text and maps/mailbox_record: any bytes are lines, commands and records, or faults.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/text.h"
#include "maps/owner_table.h"
#include "rcpt/dotqmail_text.h"

namespace {

using namespace qv;

void require(bool condition) {
  if (!condition) abort();
}

void check_command(std::string_view text) {
  const rcpt::DotqmailCommand command = rcpt::parse_dotqmail_command(text);
  for (const char c : command.text.view()) require(is_printable(c));
  require(command.text.size() <= rcpt::kMaxReplyText);
  if (command.program == rcpt::DotqmailCommand::Program::fastforward)
    require(!command.table.empty());
  // What has a pipe, a variable or a list of commands outside quotes is never known: without quotes
  // and backslashes every such byte is outside.
  if (find_byte(text, '\'') != text.size() || find_byte(text, '"') != text.size() ||
      find_byte(text, '\\') != text.size()) {
    return;
  }
  for (const char c : std::string_view("|;&$`<>()")) {
    if (find_byte(text, c) != text.size()) {
      require(command.program == rcpt::DotqmailCommand::Program::unknown);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  rcpt::DotqmailLines lines(text);
  rcpt::DotqmailLine line;
  std::size_t count = 0;
  while (lines.next(line)) {
    require(line.number == ++count && count <= size);
    require(find_byte(line.text, '\n') == line.text.size());
    require(find_byte(line.text, '\0') == line.text.size());
    require((line.kind == rcpt::DotqmailLine::Kind::blank_first) ==
            (count == 1 && line.text.empty() && line.kind != rcpt::DotqmailLine::Kind::program));
    if (line.kind == rcpt::DotqmailLine::Kind::program) check_command(line.text);
  }
  static_cast<void>(maps::parse_vpasswd_record(text).ok());
  const Result<maps::VmailmgrRecord> account = maps::parse_vmailmgr_record(text);
  if (account.ok()) {
    const maps::VmailmgrRecord& r = account.value();
    require(r.expires >= 0 && r.mailbox.size() + r.forwards.size() < size);
    // Who never expires takes mail as long as there is somewhere to put it.
    if (r.expires == 0) {
      const bool nowhere = r.mailbox.empty() && r.forwards.empty();
      require(maps::mailbox_of(r, INT64_MAX) ==
              (nowhere ? maps::Mailbox::disabled : maps::Mailbox::takes_mail));
    }
  }
  return 0;
}
