// SPDX-License-Identifier: 0BSD
#include <cerrno>
#include <optional>

#include "core/text.h"
#include "rcpt/dotqmail_text.h"
#include "rcpt/steps.h"

namespace qv {

namespace {

constexpr std::string_view kDefault = "default";

// How a command ends.
enum class Exit : std::uint8_t {
  ok,       // 0: the next line is next
  last,     // 99, or it is not known: the lines behind it need not count
  decided,  // the decision has fallen, or is pending
};

using Extension = FixedText<kMaxStoredExt + kMaxLocal>;

class Reading {
 public:
  Reading(DecisionRun& run, const Delivery& delivery)
      : run_(run), delivery_(delivery), owner_(owner_of(delivery.owner)) {
    for (const std::string_view part : {delivery.owner.ext.view(), delivery.owner.rest}) {
      for (const char c : part) static_cast<void>(ext_.append(ascii_lower(c)));
    }
  }

  [[nodiscard]] Next run() {
    FileText text;
    const Result<Look> look = run_.in.lookups.read_file(owner_, delivery_.file.name.view(), text);
    if (run_.answered(look, Why::home_error, fault_position()) == Next::stop) return Next::stop;
    // Gone since it was looked for: it was there when the question came.
    if (look.value() == Look::no) return Next::go_on;
    // What stands behind the last newline may be half a line.
    std::string_view bytes = text.bytes;
    if (!text.is_whole) bytes = first_bytes(bytes, find_last_byte(bytes, '\n'));
    return follow(bytes);
  }

 private:
  using Kind = DotqmailLine::Kind;
  using Program = DotqmailCommand::Program;
  using Otherwise = DotqmailCommand::Otherwise;

  [[nodiscard]] Next follow(std::string_view bytes) {
    DotqmailLines lines(bytes);
    bool only_addresses = false;
    Exit exit = Exit::ok;
    while (exit == Exit::ok && lines.next(line_)) {
      const bool delivers = line_.kind == Kind::file || line_.kind == Kind::program;
      if (line_.kind == Kind::blank_first || (only_addresses && delivers)) {
        say("qmail-local defers a file with a line such as this");
        return run_.decided(Why::home_error, fault_position());
      }
      if (line_.kind == Kind::list) only_addresses = true;
      if (line_.kind == Kind::program) exit = call(parse_dotqmail_command(line_.text));
    }
    if (exit == Exit::decided) return Next::stop;
    return taken_by_ ? run_.decided(*taken_by_, position()) : Next::go_on;
  }

  [[nodiscard]] Exit call(const DotqmailCommand& command) {
    switch (command.program) {
      case Program::unknown:
        say("a command that may do anything");
        return Exit::last;
      case Program::vdelivermail:
        return vdelivermail(command.otherwise);
      case Program::vdeliver:
        return vdeliver();
      case Program::fastforward:
        return fastforward(command);
      case Program::bounce:
        say("bouncesaying: ", Quoted{command.text.view()});
        run_.decision.text = command.text;
        return refuse(Why::bounced);
    }
    return Exit::last;
  }

  [[nodiscard]] Exit vdelivermail(Otherwise otherwise) {
    const std::string_view user = ext_.view();
    // vpopmail tries what stands before the first '-', too.
    const std::string_view keys[] = {user, first_bytes(user, find_byte(user, '-'))};
    const bool tries_both = run_.in.policy.users_have_extensions && keys[1].size() < user.size();
    std::optional<TableFinding> users;
    const TableQuestion question{
        "vpasswd.cdb", TableKind::vpasswd, {keys, tries_both ? std::size_t{2} : 1}};
    if (find_key(question, users) == Next::stop) return Exit::decided;
    if (!users) return without_vpasswd();
    say_keys("vdelivermail: ", question, *users);
    return users->answer == Answer::found ? take_mailbox(users->mailbox) : nobody(otherwise);
  }

  [[nodiscard]] Exit nobody(Otherwise otherwise) {
    switch (otherwise) {
      case Otherwise::bounce:
        return refuse(Why::unknown_user);
      case Otherwise::discard:
        say("vdelivermail: delete: mail for nobody is ",
            run_.in.policy.discard_accepts ? "taken and discarded" : "not taken");
        return run_.in.policy.discard_accepts ? Exit::ok : refuse(Why::unknown_user);
      case Otherwise::deliver:
        say("vdelivermail: mail for nobody is delivered");
        return Exit::ok;
    }
    return Exit::ok;
  }

  // A vpopmail that keeps its users in SQL has neither the table nor the text it is made of.
  [[nodiscard]] Exit without_vpasswd() {
    std::optional<TableFinding> text;
    const std::string_view keys[] = {ext_.view()};
    if (find_key({"vpasswd", TableKind::vpasswd, keys}, text) == Next::stop) return Exit::decided;
    if (text) return cannot_tell(Error{Fault::config, EINVAL, "vpasswd is a cdb"});
    say("vdelivermail: no vpasswd.cdb: the users are kept elsewhere");
    return Exit::last;
  }

  [[nodiscard]] Exit vdeliver() {
    const std::string_view keys[] = {ext_.view(), "+"};
    std::optional<TableFinding> users;
    const TableQuestion question{"passwd.cdb", TableKind::vmailmgr, keys};
    if (find_key(question, users) == Next::stop) return Exit::decided;
    if (!users) return cannot_tell(Error{Fault::config, ENOENT, "passwd.cdb"});
    say_keys("vdeliver: ", question, *users);
    if (users->answer == Answer::absent) return refuse(Why::unknown_user);
    return take_mailbox(users->mailbox, keys[users->key] != "+");
  }

  // `is_own`: the record is the user's, not one for all who have none.
  [[nodiscard]] Exit take_mailbox(Mailbox mailbox, bool is_own = true) {
    switch (mailbox) {
      case Mailbox::takes_mail:
        if (is_own) taken_by_ = Why::local;
        return Exit::ok;
      case Mailbox::bounces:
        say("vdelivermail: the user has BOUNCE_MAIL set");
        return refuse(Why::bounced);
      case Mailbox::disabled:
        say("vdeliver: the user is expired or switched off");
        return refuse(Why::disabled);
    }
    return Exit::ok;
  }

  [[nodiscard]] Exit fastforward(const DotqmailCommand& command) {
    const std::string_view user = command.use_default ? default_part() : delivery_.local;
    const AliasKeys keys(user, delivery_.host);
    std::optional<TableFinding> aliases;
    const TableQuestion question{command.table.view(), TableKind::aliases, keys.view()};
    if (find_key(question, aliases) == Next::stop) return Exit::decided;
    if (!aliases) return cannot_tell(Error{Fault::config, ENOENT, "fastforward's table"});
    const bool found = aliases->answer == Answer::found;
    say("fastforward: ", Quoted{user}, "@", Quoted{delivery_.host},
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
  [[nodiscard]] Next find_key(const TableQuestion& question, std::optional<TableFinding>& finding) {
    TableFinding found;
    const Result<Look> look = run_.in.lookups.find_key(owner_, question, found);
    if (!look.ok()) say(Quoted{question.name}, ": ", look.error().what);
    if (run_.answered(look, Why::table_error, fault_position()) == Next::stop) return Next::stop;
    if (look.value() == Look::yes) finding = found;
    return Next::go_on;
  }

  // Those that are not there, up to the one that is.
  void say_keys(std::string_view program, const TableQuestion& question,
                const TableFinding& finding) {
    for (std::size_t i = 0; i < question.keys.size(); ++i) {
      const bool found = finding.answer == Answer::found && finding.key == i;
      say(program, Quoted{question.keys[i]}, found ? " is in " : " is not in ", question.name);
      if (found) return;
    }
  }

  [[nodiscard]] Exit cannot_tell(const Error& error) {
    say(error.what);
    static_cast<void>(run_.failed(error, Why::table_error, fault_position()));
    return Exit::decided;
  }
  [[nodiscard]] Exit refuse(Why why) {
    static_cast<void>(run_.decided(why, position()));
    return Exit::decided;
  }
  [[nodiscard]] std::uint8_t position() const { return delivery_.file.exact ? 10 : 12; }
  [[nodiscard]] std::uint8_t fault_position() const { return delivery_.file.exact ? 11 : 13; }

  template <class... Pieces>
  void say(const Pieces&... pieces) {
    run_.explain("home: ", Quoted{owner_.home}, ": ", Quoted{delivery_.file.name.view()}, ", line ",
                 line_.number, ": ", pieces...);
  }

  DecisionRun& run_;
  const Delivery& delivery_;
  Owner owner_;
  Extension ext_;  // lower-cased
  DotqmailLine line_;
  std::optional<Why> taken_by_;
};

}  // namespace

Next judge_contents(DecisionRun& run, const Delivery& delivery) {
  return Reading(run, delivery).run();
}

}  // namespace qv
