// SPDX-License-Identifier: 0BSD
#include "rcpt/config.h"

#include <optional>
#include <utility>

#include "control/verifyprobe.h"
#include "core/text.h"
#include "maps/address_keys.h"

namespace qv {

namespace {

constexpr std::string_view kMe = "control/me";
constexpr std::size_t kMaxName = 255;  // bytes of a domain name

bool holds(const std::vector<Problem>& problems, const Problem& wanted) {
  for (const Problem& p : problems) {
    if (p.where == wanted.where && p.line == wanted.line && p.text == wanted.text) return true;
  }
  return false;
}

// What is wrong with the lines of a file that holds one name; empty where nothing is.
// qmail takes the first line as it is, so a comment or an empty line there is a mistake.
std::string complaint_about_name(const std::vector<ControlLine>& lines) {
  if (lines.empty() || lines.front().number != 1) {
    return "the first line is empty or a comment: a host name must stand there";
  }
  const std::string& name = lines.front().text;
  if (name.size() > kMaxName) return "a host name has at most 255 bytes";
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte == 0x7f || c == '@') {
      return "a host name has no blank, control character or @ in it";
    }
  }
  return {};
}

}  // namespace

ConfigWatch::ConfigWatch(const std::string& qmailhome, WallClock clock)
    : me_file_(qmailhome, kMe, clock),
      envnoathost_file_(qmailhome, "control/envnoathost", clock),
      locals_file_(qmailhome, "control/locals", clock),
      percenthack_file_(qmailhome, "control/percenthack", clock),
      virtualdomains_file_(qmailhome, "control/virtualdomains", clock),
      verifymaps_file_(qmailhome, "control/verifymaps", clock),
      delimiters_file_(qmailhome, "control/recipient_delimiter", clock),
      verifyprobe_file_(qmailhome, "control/verifyprobe", clock) {
  config_.envnoathost.file = envnoathost_file_.name;
  config_.locals.file = locals_file_.name;
  config_.percenthack.file = percenthack_file_.name;
  config_.virtualdomains.file = virtualdomains_file_.name;
  config_.verifymaps.file = verifymaps_file_.name;
  config_.delimiters.file = delimiters_file_.name;
  config_.verifyprobe.file = verifyprobe_file_.name;
}

void ConfigWatch::force() {
  forced_ = true;
  for (File* file :
       {&me_file_, &envnoathost_file_, &locals_file_, &percenthack_file_, &virtualdomains_file_,
        &verifymaps_file_, &delimiters_file_, &verifyprobe_file_}) {
    file->lines.force();
  }
}

Change ConfigWatch::read(File& file, std::int64_t now_us) {
  switch (file.lines.refresh(
      now_us, [&](auto& files) { return read_control_file(file.path, files.emplace_back()); })) {
    case Reload::none:
      return Change::none;
    case Reload::failed:
      file.standing = Standing::bad;
      file.problems = {
          {std::string(file.name), 0, "cannot be read: " + describe(*file.lines.error())}};
      return Change::changed;
    case Reload::taken:
      file.standing = *file.lines.value() ? Standing::good : Standing::absent;
      file.problems.clear();
      return Change::changed;
  }
  return Change::none;
}

void ConfigWatch::use_name(File& file, std::string& name) {
  const std::vector<ControlLine>& lines = **file.lines.value();
  std::string wrong = complaint_about_name(lines);
  if (!wrong.empty()) {
    file.problems.push_back({std::string(file.name), 1, std::move(wrong)});
    file.standing = Standing::bad;
    return;
  }
  name = lines.front().text;
}

void ConfigWatch::use_table(File& file, Constmap::Form form, ControlTable& table) {
  const std::vector<ControlLine>& lines = **file.lines.value();
  std::vector<int> malformed;
  table.entries = Constmap(lines, form, &malformed);
  table.file = file.name;
  table.usable = true;
  for (const ControlLine& line : lines) {
    if (line.text.back() != '\r') continue;
    file.problems.push_back({std::string(file.name), line.number,
                             "ends in a carriage return, which qmail takes for part of the name: "
                             "save the file with Unix line ends"});
  }
  for (const int line : malformed) {
    file.problems.push_back(
        {std::string(file.name), line, "no colon: passed over; write DOMAIN:PREFIX"});
  }
}

void ConfigWatch::use_verifymaps() {
  File& file = verifymaps_file_;
  config_.verifymaps = parse_verifymaps(**file.lines.value(), file.name, file.problems);
}

void ConfigWatch::use_delimiters() {
  const std::vector<ControlLine>& lines = **delimiters_file_.lines.value();
  const std::string characters = lines.empty() ? std::string() : lines.front().text;
  config_.delimiters = {true, delimiters_file_.name, characters};
}

// A mistake in an edit must not turn probing off for a domain that was probed, and qmail-probe
// keeps what it had as well; at the start there is nothing older to keep, and the good lines count.
void ConfigWatch::use_verifyprobe() {
  File& file = verifyprobe_file_;
  std::vector<ControlLine> domains;
  for (const ControlLine& line : **file.lines.value()) {
    std::string domain;
    std::string_view rest;
    std::string mistake;
    if (read_probed_domain(line, domain, rest, mistake)) {
      domains.push_back({std::move(domain), line.number});
    } else {
      file.problems.push_back({std::string(file.name), line.number, std::move(mistake)});
    }
  }
  if (config_.verifyprobe.usable && !file.problems.empty()) return;
  config_.verifyprobe = {true, file.name, Constmap(domains, Constmap::Form::keys)};
}

// What stands for the files that do not exist.  Where a default is wanted and control/me has none
// to give, what was usable stays so, and what was not is left so.
void ConfigWatch::settle_defaults() {
  default_problems_.clear();
  const bool me_is_good = me_file_.standing == Standing::good;
  for (const File* file : {&locals_file_, &envnoathost_file_}) {
    if (file->standing != Standing::absent || me_file_.standing != Standing::absent) continue;
    default_problems_.push_back({std::string(kMe), 0,
                                 "does not exist and stands for " + std::string(file->name) +
                                     ", which does not either: write this host's name there"});
  }
  if (locals_file_.standing == Standing::absent && me_is_good) {
    config_.locals = {true, kMe, Constmap({{me_, 1}}, Constmap::Form::keys)};
  }
  if (envnoathost_file_.standing == Standing::good) {
    config_.envnoathost = {true, envnoathost_file_.name, envnoathost_};
  }
  if (envnoathost_file_.standing == Standing::absent && me_is_good) {
    config_.envnoathost = {true, kMe, me_};
  }
  if (percenthack_file_.standing == Standing::absent) {
    config_.percenthack = {true, percenthack_file_.name, {}};
  }
  if (virtualdomains_file_.standing == Standing::absent) {
    config_.virtualdomains = {true, virtualdomains_file_.name, {}};
  }
  if (verifymaps_file_.standing == Standing::absent) {
    config_.verifymaps = {true, verifymaps_file_.name, {}, {}};
  }
  if (delimiters_file_.standing == Standing::absent) {
    config_.delimiters = {true, delimiters_file_.name, std::string(kDefaultDelimiters)};
  }
  if (verifyprobe_file_.standing == Standing::absent) {
    config_.verifyprobe = {true, verifyprobe_file_.name, {}};
  }
}

void ConfigWatch::report(std::vector<Problem>& problems, bool all) {
  std::vector<Problem> standing = default_problems_;
  for (const File* file :
       {&me_file_, &envnoathost_file_, &locals_file_, &percenthack_file_, &virtualdomains_file_,
        &verifymaps_file_, &delimiters_file_, &verifyprobe_file_}) {
    standing.insert(standing.end(), file->problems.begin(), file->problems.end());
  }
  for (const Problem& problem : standing) {
    if (all || !holds(reported_, problem)) problems.push_back(problem);
  }
  reported_ = std::move(standing);
}

Change ConfigWatch::refresh(std::int64_t now_us, std::vector<Problem>& problems) {
  Change change = Change::none;
  const auto take = [&](File& file, const auto& use) {
    if (read(file, now_us) == Change::none) return;
    change = Change::changed;
    if (file.standing != Standing::good) return;
    use(file);
    file.lines.value()->emplace();
  };
  take(me_file_, [this](File& file) { use_name(file, me_); });
  take(envnoathost_file_, [this](File& file) { use_name(file, envnoathost_); });
  take(locals_file_, [this](File& file) { use_table(file, Constmap::Form::keys, config_.locals); });
  take(percenthack_file_,
       [this](File& file) { use_table(file, Constmap::Form::keys, config_.percenthack); });
  take(virtualdomains_file_,
       [this](File& file) { use_table(file, Constmap::Form::pairs, config_.virtualdomains); });
  take(verifymaps_file_, [this](File&) { use_verifymaps(); });
  take(delimiters_file_, [this](File&) { use_delimiters(); });
  take(verifyprobe_file_, [this](File&) { use_verifyprobe(); });
  if (change == Change::none && !forced_) return change;
  settle_defaults();
  report(problems, std::exchange(forced_, false));
  return change;
}

QmailConfig load_config(const std::string& qmailhome, std::vector<Problem>& problems) {
  ConfigWatch watch(qmailhome, end_of_time_ns);
  static_cast<void>(watch.refresh(0, problems));
  return watch.config();
}

}  // namespace qv
