// SPDX-License-Identifier: 0BSD
#include <optional>

#include "core/check.h"
#include "core/text.h"
#include "rcpt/dotqmail_text.h"
#include "rcpt/steps.h"

namespace qv::rcpt {

namespace {

constexpr std::string_view kCatchAll = ".qmail-default";
using Name = FixedText<kMaxDotqmailName>;

// Can a file of this name exist?
bool may_exist(std::string_view name, std::size_t longest) {
  if (find_byte(name, '/') == name.size()) return name.size() <= longest;
  while (!name.empty()) {
    if (take_until(name, '/').size() > kMaxFileName) return false;
  }
  return true;
}

// "." becomes ":", so that no extension leads out of the home.
bool append_safely(std::string_view ext, Name& name) {
  for (const char c : ext) {
    if (!name.append(c == '.' ? ':' : ascii_lower(c))) return false;
  }
  return true;
}

// How a command ends.
enum class Exit : std::uint8_t {
  ok,       // 0: the next line follows
  last,     // 99, or not known: the lines after it need not count
  decided,  // the address is decided, or the decision is pending
};

class Reading {
  using Kind = DotqmailLine::Kind;
  using Program = DotqmailCommand::Program;
  using Otherwise = DotqmailCommand::Otherwise;

 public:
  Reading(DecisionRun& run, const Delivery& delivery)
      : run_(run), delivery_(delivery), owner_(owner_of(delivery.owner)) {
    for (const std::string_view part : {delivery.owner.ext.view(), delivery.owner.rest}) {
      static_cast<void>(ext_.append_lower(part));
    }
  }

  [[nodiscard]] Next run() {
    FileText text;
    const Result<Look> look = run_.in.lookups.read_file(owner_, delivery_.file.name.view(), text);
    if (run_.answered(look, Why::home_error, fault_position(), "home: ", Quoted{owner_.home},
                      ": cannot read ", Quoted{delivery_.file.name.view()}) == Next::stop) {
      return Next::stop;
    }
    // The file is gone, but was there when the query came in.
    if (look.value() == Look::no) return Next::go_on;
    // After the last newline there may be part of a line.
    std::string_view bytes = text.bytes;
    if (!text.is_whole) bytes = first_bytes(bytes, find_last_byte(bytes, '\n'));
    DotqmailLines lines(bytes);
    bool only_addresses = false;
    Exit exit = Exit::ok;
    while (exit == Exit::ok && lines.next(line_)) {
      const bool delivers = line_.kind == Kind::file || line_.kind == Kind::program;
      if (line_.kind == Kind::blank_first || (only_addresses && delivers)) {
        explain("qmail-local defers a file with such a line");
        return run_.decided(Why::home_error, fault_position());
      }
      if (line_.kind == Kind::list) only_addresses = true;
      if (line_.kind == Kind::program) exit = call(parse_dotqmail_command(line_.text));
    }
    if (exit == Exit::decided) return Next::stop;
    return taken_by_ ? run_.decided(*taken_by_, position()) : Next::go_on;
  }

 private:
  [[nodiscard]] Exit call(const DotqmailCommand& command) {
    switch (command.program) {
      case Program::unknown:
        explain("a command that may do anything");
        return Exit::last;
      case Program::vdelivermail:
        return vdelivermail(command.otherwise);
      case Program::vdeliver:
        return vdeliver();
      case Program::fastforward:
        return fastforward(command);
      case Program::bounce:
        explain("bouncesaying: ", Quoted{command.text.view()});
        run_.decision.text = command.text;
        return refuse(Why::bounced);
    }
    return Exit::last;
  }

  [[nodiscard]] Exit vdelivermail(Otherwise otherwise) {
    const std::string_view user = ext_.view();
    // vpopmail also tries the part before the first '-'.
    const std::string_view keys[] = {user, first_bytes(user, find_byte(user, '-'))};
    const bool tries_both = run_.in.policy.users_have_extensions && keys[1].size() < user.size();
    std::optional<maps::TableFinding> users;
    const maps::TableQuestion question{
        "vpasswd.cdb", maps::TableKind::vpasswd, {keys, tries_both ? std::size_t{2} : 1}};
    if (find_key(question, users) == Next::stop) return Exit::decided;
    if (!users) return without_vpasswd();
    explain_keys("vdelivermail: ", question, *users);
    return users->answer == maps::Answer::found ? judge_mailbox(users->mailbox)
                                                : unknown_user(otherwise);
  }

  [[nodiscard]] Exit unknown_user(Otherwise otherwise) {
    switch (otherwise) {
      case Otherwise::bounce:
        return refuse(Why::unknown_user);
      case Otherwise::discard:
        explain("vdelivermail: delete: mail for unknown users is ",
                run_.in.policy.discard_accepts ? "taken and discarded" : "not taken");
        return run_.in.policy.discard_accepts ? Exit::ok : refuse(Why::unknown_user);
      case Otherwise::deliver:
        explain("vdelivermail: mail for unknown users is delivered");
        return Exit::ok;
    }
    return Exit::ok;
  }

  // Where vpopmail stores its users in SQL, there is neither the table nor the text it is made of.
  [[nodiscard]] Exit without_vpasswd() {
    std::optional<maps::TableFinding> text;
    const std::string_view keys[] = {ext_.view()};
    if (find_key({"vpasswd", maps::TableKind::vpasswd, keys}, text) == Next::stop)
      return Exit::decided;
    if (text) return undecided("vpasswd is a cdb, not a text");
    explain("vdelivermail: no vpasswd.cdb: the users are stored elsewhere");
    return Exit::last;
  }

  [[nodiscard]] Exit vdeliver() {
    const std::string_view keys[] = {ext_.view(), "+"};
    std::optional<maps::TableFinding> users;
    const maps::TableQuestion question{"passwd.cdb", maps::TableKind::vmailmgr, keys};
    if (find_key(question, users) == Next::stop) return Exit::decided;
    if (!users) return undecided("there is no passwd.cdb");
    explain_keys("vdeliver: ", question, *users);
    if (users->answer == maps::Answer::absent) return refuse(Why::unknown_user);
    return judge_mailbox(users->mailbox, keys[users->key] != "+");
  }

  // `is_own`: the record is the user's, not the one for all users without a record.
  [[nodiscard]] Exit judge_mailbox(maps::Mailbox mailbox, bool is_own = true) {
    switch (mailbox) {
      case maps::Mailbox::takes_mail:
        if (is_own) taken_by_ = Why::local;
        return Exit::ok;
      case maps::Mailbox::bounces:
        explain("vdelivermail: the user has BOUNCE_MAIL set");
        return refuse(Why::bounced);
      case maps::Mailbox::disabled:
        explain("vdeliver: the user is expired or switched off");
        return refuse(Why::disabled);
    }
    return Exit::ok;
  }

  [[nodiscard]] Exit fastforward(const DotqmailCommand& command) {
    const std::string_view user = command.use_default ? default_part() : delivery_.local;
    const AliasKeys keys(user, delivery_.host);
    std::optional<maps::TableFinding> aliases;
    const maps::TableQuestion question{command.table.view(), maps::TableKind::aliases, keys.view()};
    if (find_key(question, aliases) == Next::stop) return Exit::decided;
    if (!aliases) return undecided("fastforward's table does not exist");
    const bool found = aliases->answer == maps::Answer::found;
    explain("fastforward: ", Quoted{user}, "@", Quoted{delivery_.host},
            found ? " is in " : " is not in ", Quoted{command.table.view()});
    if (found) taken_by_ = Why::alias;
    if (found) return command.pass_through ? Exit::last : Exit::ok;
    return command.pass_through ? Exit::ok : refuse(Why::unknown_user);
  }

  // $DEFAULT, or $EXT where qmail-local does not set it.
  [[nodiscard]] std::string_view default_part() const {
    const std::string_view ext = ext_.view();
    if (!delivery_.file.exact) return after_bytes(ext, delivery_.file.default_at);
    return ends_with(ext, kDefault) ? kDefault : ext;
  }

  // go_on: `finding`, none where there is no such table.
  [[nodiscard]] Next find_key(const maps::TableQuestion& question,
                              std::optional<maps::TableFinding>& finding) {
    maps::TableFinding found;
    const Result<Look> look = run_.in.lookups.find_key(owner_, question, found);
    if (run_.answered(look, Why::table_error, fault_position(), "home: ", Quoted{owner_.home}, ": ",
                      Quoted{delivery_.file.name.view()}, ", line ", line_.number, ": ",
                      Quoted{question.name}) == Next::stop) {
      return Next::stop;
    }
    if (look.value() == Look::yes) finding = found;
    return Next::go_on;
  }

  // Explains the keys up to the one that is there.
  void explain_keys(std::string_view program, const maps::TableQuestion& question,
                    const maps::TableFinding& finding) {
    for (std::size_t i = 0; i < question.keys.size(); ++i) {
      const bool found = finding.answer == maps::Answer::found && finding.key == i;
      explain(program, Quoted{question.keys[i]}, found ? " is in " : " is not in ", question.name);
      if (found) return;
    }
  }

  [[nodiscard]] Exit undecided(std::string_view mistake) {
    explain(mistake);
    static_cast<void>(run_.decided(Why::table_error, fault_position()));
    return Exit::decided;
  }
  [[nodiscard]] Exit refuse(Why why) {
    static_cast<void>(run_.decided(why, position()));
    return Exit::decided;
  }
  [[nodiscard]] std::uint8_t position() const { return delivery_.file.exact ? 10 : 12; }
  [[nodiscard]] std::uint8_t fault_position() const { return delivery_.file.exact ? 11 : 13; }

  template <class... Pieces>
  void explain(const Pieces&... pieces) {
    run_.explain("home: ", Quoted{owner_.home}, ": ", Quoted{delivery_.file.name.view()}, ", line ",
                 line_.number, ": ", pieces...);
  }

  DecisionRun& run_;
  const Delivery& delivery_;
  Owner owner_;
  FixedText<kMaxStoredExt + kMaxLocal> ext_;  // lower-cased
  DotqmailLine line_;
  std::optional<Why> taken_by_;
};

}  // namespace

Next search_dotqmail(DecisionRun& run, const UserRecord& owner, DotqmailFile& found) {
  Name full;
  bool fits = full.append(".qmail") && full.append(owner.dash.view());
  const std::size_t base = full.size();
  fits = fits && append_safely(owner.ext.view(), full) && append_safely(owner.rest, full) &&
         full.size() + kDefault.size() <= kMaxDotqmailName && found.name.assign(full.view());
  QV_CHECK(fits);

  const Owner home_owner = owner_of(owner);
  const std::size_t longest = run.in.lookups.longest_name(home_owner);
  int asked = 0;
  bool exists = false;
  // go_on: `exists` is known of found.name.
  const auto ask = [&](std::uint8_t position_of_fault) {
    const std::string_view name = found.name.view();
    if (!may_exist(name, longest)) return Next::go_on;
    if (++asked > kMaxNamesAsked) {
      run.explain("home: too many names to look for");
      return run.decided(Why::home_error, position_of_fault);
    }
    const Result<Look> look = run.in.lookups.has_file(home_owner, name);
    const Next next =
        run.answered(look, Why::home_error, position_of_fault, "home: ", Quoted{home_owner.home},
                     ": cannot look for ", Quoted{name});
    if (next == Next::stop) return next;
    exists = look.value() == Look::yes;
    run.explain("home: ", Quoted{home_owner.home}, exists ? " has " : " does not have ",
                Quoted{name});
    return next;
  };
  if (ask(11) == Next::stop) return Next::stop;
  found.exact = exists;
  // Then for each prefix of ext that is empty or ends in '-', longest first.
  for (std::size_t size = full.size(); !exists && size >= base; --size) {
    if (size > base && full.view()[size - 1] != '-') continue;
    QV_CHECK(found.name.assign(first_bytes(full.view(), size)) && found.name.append(kDefault));
    found.default_at = size - base;
    if (ask(13) == Next::stop) return Next::stop;
  }
  if (!exists) return run.decided(Why::unknown_user, 14);
  found.is_catch_all = found.name.view() == kCatchAll;
  return Next::go_on;
}

Next judge_contents(DecisionRun& run, const Delivery& delivery) {
  return Reading(run, delivery).run();
}

}  // namespace qv::rcpt
