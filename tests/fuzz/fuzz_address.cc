// SPDX-License-Identifier: 0BSD
// rcpt/decide on a small system that never changes: any address ends in a decision, asks a bounded
// number of questions, and is valid only where the system has something for it.
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/text.h"
#include "rcpt/decide.h"

namespace {

using namespace qv;

void require(bool condition) {
  if (!condition) abort();
}

control::Constmap map_of(const std::string& text, control::Constmap::Form form) {
  std::vector<control::ControlLine> lines;
  require(control::parse_control_text(text, lines));
  return control::Constmap(lines, form);
}

rcpt::QmailConfig make_config() {
  rcpt::QmailConfig config;
  config.envnoathost = {true, "control/me", "me"};
  config.locals = {true, "control/locals", map_of("l\nme\n", control::Constmap::Form::keys)};
  config.percenthack = {true, "control/percenthack",
                        map_of("p\nl\n", control::Constmap::Form::keys)};
  config.virtualdomains = {
      true, "control/virtualdomains",
      map_of("v:joe-v\n.s:joe-s\na@w:joe\nn:\n", control::Constmap::Form::pairs)};
  config.verifyprobe = {true, "control/verifyprobe",
                        map_of("r\n.r\n", control::Constmap::Form::keys)};
  std::vector<control::ControlLine> lines;
  require(control::parse_control_text("t:x:y\n.t:x:y\n:\n", lines));
  std::vector<control::Problem> problems;
  config.verifymaps = rcpt::parse_verifymaps(lines, "control/verifymaps", problems);
  config.verifymaps.usable = true;
  config.delimiters = {true, "control/recipient_delimiter", "-+"};
  return config;
}

// Users joe, b and alias; b's home cannot be looked at, joe's and alias's hold what is named here.
class SmallSystem final : public rcpt::Lookups {
 public:
  int asked = 0;
  bool gave_a_file = false;
  bool gave_a_user = false;

  Result<rcpt::Look> find_user(std::string_view name, rcpt::Owner& owner) override {
    ++asked;
    require(!name.empty() && name.size() < 32);
    if (name == "slow") return Error{Fault::retry, ETIMEDOUT, "slow"};
    if (name != "joe" && name != "b" && name != "alias") return rcpt::Look::no;
    owner = {name == "joe" ? "joe" : name == "b" ? "b" : "alias", 1000, 100, "/home"};
    gave_a_user = true;
    return rcpt::Look::yes;
  }
  Result<rcpt::Look> owns_home(const rcpt::Owner& owner) override {
    ++asked;
    require(owner.uid == 1000 && owner.home == "/home");
    return owner.user == "b" ? Result<rcpt::Look>(Error{Fault::retry, EACCES, "b"})
                             : rcpt::Look::yes;
  }
  Result<rcpt::Look> has_file(const rcpt::Owner& owner, std::string_view name) override {
    ++asked;
    require(starts_with(name, ".qmail-"));
    require(find_byte(after_bytes(name, 1), '.') == name.size() - 1);
    for (const char c : name) require(static_cast<unsigned char>(c) >= ' ' && c != 0x7f);
    if (owner.user == "alias") return rcpt::Look::no;
    gave_a_file = name == ".qmail-x" || name == ".qmail-v-default" || name == ".qmail-y/z";
    return gave_a_file ? rcpt::Look::yes : rcpt::Look::no;
  }
  Result<rcpt::Look> read_file(const rcpt::Owner&, std::string_view, rcpt::FileText&) override {
    abort();
  }
  Result<rcpt::Look> find_key(const rcpt::Owner&, const maps::TableQuestion&,
                              maps::TableFinding&) override {
    abort();
  }
  Result<rcpt::Look> find_recipient(std::string_view table, std::string_view address,
                                    std::string_view delimiters, rcpt::TableHit& hit) override {
    ++asked;
    require(table == "x:y" && delimiters == "-+");
    const std::string_view domain = after_bytes(address, find_last_byte(address, '@') + 1);
    require(equal_ignoring_case(domain, "t") || ends_with(domain, ".t") || ends_with(domain, ".T"));
    for (const char c : address) require(static_cast<unsigned char>(c) >= ' ' && c != 0x7f);
    hit.key = address;
    if (starts_with(address, "joe@")) hit.value = "here";
    if (starts_with(address, "b@")) hit.value = "550 5.1.6 \x01\xff no";
    if (starts_with(address, "slow@")) hit.value = "DEFER later";
    return hit.value.empty() ? rcpt::Look::no : rcpt::Look::yes;
  }
  Result<rcpt::Look> ask_next_hop(std::string_view address, rcpt::NextHopAnswer& answer) override {
    ++asked;
    const std::string_view domain = after_bytes(address, find_last_byte(address, '@') + 1);
    require(domain == "r" || ends_with(domain, ".r"));
    for (const char c : address) require(static_cast<unsigned char>(c) >= ' ' && c != 0x7f);
    answer = {
        starts_with(address, "joe@") ? rcpt::Why::next_hop_accepts : rcpt::Why::next_hop_refuses,
        "\x01\xff no"};
    return rcpt::Look::yes;
  }
  std::size_t longest_name(const rcpt::Owner&) override { return rcpt::kMaxFileName; }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const rcpt::QmailConfig config = make_config();
  static rcpt::UsersCdb users("/nonexistent");
  std::vector<control::Problem> problems;
  static_cast<void>(users.refresh(0, problems));
  require(problems.empty());

  const std::string_view address(reinterpret_cast<const char*>(data), size);
  SmallSystem system;
  const rcpt::Decision decision = rcpt::decide(address, {config, users, system});
  require(!decision.pending && decision.position < 15);
  require(system.asked <= 2 * 32 + 1 + 256);
  switch (decision.why) {
    case rcpt::Why::local:
      require(system.gave_a_user && decision.position == 9);
      break;
    case rcpt::Why::dotqmail:
      require(system.gave_a_file && decision.position == 10);
      break;
    case rcpt::Why::default_file:
      require(system.gave_a_file && decision.position == 12);
      break;
    case rcpt::Why::relay:
      require(system.asked == 0 && (decision.position == 1 || decision.position == 2));
      break;
    case rcpt::Why::table:
      require(system.asked == 1 && decision.verdict() == rcpt::Verdict::accept);
      break;
    case rcpt::Why::refused:
      require(system.asked == 1 && decision.reply_text() == "?? no");
      require(decision.verdict() == rcpt::Verdict::reject);
      break;
    case rcpt::Why::deferred:
      require(system.asked == 1 && decision.reply_text() == "later");
      require(decision.verdict() == rcpt::Verdict::defer);
      break;
    case rcpt::Why::next_hop_accepts:
      require(system.asked == 1 && decision.text.view() == "?? no");
      break;
    case rcpt::Why::next_hop_refuses:
      require(system.asked == 1 && decision.reply_text() == "?? no");
      require(decision.verdict() == rcpt::Verdict::reject);
      break;
    case rcpt::Why::alias:
    case rcpt::Why::accept_all:
    case rcpt::Why::backup_mx:
    case rcpt::Why::next_hop_defers:
    case rcpt::Why::accept_all_undecided:
    case rcpt::Why::probe_pending:
    case rcpt::Why::unreachable:
    case rcpt::Why::sender_refused:
    case rcpt::Why::probe_busy:
    case rcpt::Why::not_probed:
    case rcpt::Why::probe_error:
      abort();
    case rcpt::Why::unknown_user:
    case rcpt::Why::bounced:
    case rcpt::Why::disabled:
    case rcpt::Why::syntax:
    case rcpt::Why::too_long:
    case rcpt::Why::control_error:
    case rcpt::Why::table_error:
    case rcpt::Why::passwd_error:
    case rcpt::Why::home_error:
    case rcpt::Why::timeout:
      require(decision.verdict() != rcpt::Verdict::accept);
      break;
  }

  SmallSystem same;
  rcpt::Explanation steps;
  const rcpt::Decision again = rcpt::decide(address, {config, users, same}, &steps);
  require(again.why == decision.why && again.position == decision.position &&
          again.user.view() == decision.user.view() && same.asked == system.asked);
  for (const std::string& step : steps) {
    for (const char c : step) require(is_printable(c));
  }
  return 0;
}
