// SPDX-License-Identifier: 0BSD
// rcpt/steps.h - the steps of the decision, and what they share; for rcpt/ alone.
//
// decide.cc takes them in this order: recipient_tables.cc, owner.cc, dotqmail.cc.  All
// are pure, and allocate nothing without an Explanation.
// Tests: tests/rcpt/decide_test.cc, recipient_tables_test.cc, contents_test.cc
#ifndef QV_RCPT_STEPS_H_
#define QV_RCPT_STEPS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/text.h"
#include "rcpt/decide.h"
#include "rcpt/users_cdb.h"

namespace qv::rcpt {

// What follows a step: the next one, or nothing, because the address is decided or the decision is
// pending.
enum class Next : std::uint8_t { go_on, stop };

// Bytes from outside: explained in quotes, with escapes.
struct Quoted {
  std::string_view bytes;
};

// One run of the decision.
struct DecisionRun {
  const DecisionInputs& in;
  Decision& decision;
  Explanation* explanation;

  [[nodiscard]] Next decided(Why why, std::uint8_t position) {
    decision.why = why;
    decision.position = position;
    return Next::stop;
  }
  // A fault of a look-up: `otherwise` is the reason, unless it timed out.
  [[nodiscard]] Next failed(const Error& error, Why otherwise, std::uint8_t position);
  // What came of a look-up; `subject` explains an Error of it.  go_on: `look` is yes or no.
  template <class... Pieces>
  [[nodiscard]] Next answered(const Result<Look>& look, Why otherwise, std::uint8_t position,
                              const Pieces&... subject) {
    if (!look.ok()) {
      explain(subject..., ": ", look.error().what);
      return failed(look.error(), otherwise, position);
    }
    decision.pending = look.value() == Look::pending;
    return decision.pending ? Next::stop : Next::go_on;
  }
  // The decision needs this control file, which is not usable.
  [[nodiscard]] Next not_usable(std::string_view file);

  // Adds the pieces, joined, to the explanation, if there is one.
  template <class... Pieces>
  void explain(const Pieces&... pieces) const {
    if (explanation == nullptr) return;
    std::string& sentence = explanation->emplace_back();
    (add(sentence, pieces), ...);
  }

 private:
  static void add(std::string& out, std::string_view text) { out += text; }
  static void add(std::string& out, std::size_t number) { out += std::to_string(number); }
  static void add(std::string& out, int number) { out += std::to_string(number); }
  static void add(std::string& out, Quoted text);
};

inline constexpr std::size_t kMaxAddress = 900;  // bytes; a longer one is not valid

// The address as qmail-send rewrites it.
struct Rewritten {
  FixedText<kMaxAddress + 1 + 255> address;  // with the domain that decides
  std::size_t at = 0;                        // offset of its last '@'
  FixedText<kMaxLocal> prefixed;             // of a virtual domain: prefix, '-', local part
  bool is_virtual = false;

  [[nodiscard]] std::string_view user_part() const { return address.view().substr(0, at); }
  [[nodiscard]] std::string_view domain() const { return address.view().substr(at + 1); }
  // What is looked up in users/cdb and passwd.
  [[nodiscard]] std::string_view local() const {
    return is_virtual ? prefixed.view() : user_part();
  }
};

// ---- recipient_tables.cc: domains whose recipients are looked up in a table ---------------------
//
// control/verifymaps names them (VerifyMaps).  Its most specific entry counts: the domain, its
// suffixes that begin with a dot, the longest first, the empty key.  A table decides the domain
// that names it even if that is neither local nor virtual; the empty key is for local and virtual
// ones.  A recipient that is in the table is valid, unless the value refuses it as a line of
// access(5) does; one that is not there is not valid.

// What a value means.
struct TableWord {
  Why why = Why::table;   // table, refused or deferred
  std::string_view text;  // of the latter two: for the sender, without codes; may be empty
};

// REJECT, 5NN or 5.N.N as the first word refuses; DEFER, DEFER_IF_PERMIT, 4NN or 4.N.N defers; an
// enhanced code after them is not part of the text.  Case does not count.  Anything else, and an
// empty value, means that the recipient exists.
[[nodiscard]] TableWord parse_table_word(std::string_view value);

// Asks the table that names the domain, or that of the empty key, if no line names the domain.
// go_on: there is no such table, or its line leaves the domain to qmail's own rules.
// REQUIRES: the domain is local or virtual, for all_domains.
enum class TableOf : std::uint8_t { domain, all_domains };
[[nodiscard]] Next ask_table(DecisionRun& run, const Rewritten& rewritten, TableOf of);

// ---- owner.cc: whose local part is it?  users/cdb, then passwd, then the alias user -------------

inline constexpr std::string_view kAliasUser = "alias";

// As qmail-lspawn and qmail-getpw (steps 5 and 6).
// go_on: `owner` is complete, and its uid is not 0.  Its `rest` is a view into `local`, not yet
// lower-cased.
[[nodiscard]] Next find_owner(DecisionRun& run, std::string_view local, UserRecord& owner);

// ---- dotqmail.cc: the .qmail file for an extension, as qmail-local searches for it (step 8) -----

inline constexpr std::string_view kDefault = "default";
inline constexpr std::size_t kMaxDotqmailName =
    6 + kMaxDash + kMaxStoredExt + kMaxLocal + 7;  // .qmail, dash, ext, default

struct DotqmailFile {
  FixedText<kMaxDotqmailName> name;
  std::size_t default_at = 0;  // not exact: bytes of ext before the part that `default` replaces
  bool exact = false;          // .qmail + dash + ext itself; else one that ends in -default
  bool is_catch_all = false;   // its name is .qmail-default
};

// At most this many names are looked up.  Only an extension with many '/' can have more: a name
// without one is at most 255 bytes long.
inline constexpr int kMaxNamesAsked = 256;

// go_on: there is a file, and `found` says which.
[[nodiscard]] Next search_dotqmail(DecisionRun& run, const UserRecord& owner, DotqmailFile& found);

// ---- dotqmail.cc: do the lines of the .qmail file take the address? -----------------------------
//
// The lines are followed as qmail-local follows them.  A command whose exit code follows from a
// table or a text (rcpt/dotqmail_text.h) is judged.  Any other may exit with any code: from there
// on the file takes the address, as it does where no line bounces.
//
//   vdelivermail   takes a user in vpasswd.cdb of the home (without BOUNCE_MAIL); for others, its
//                  last argument decides
//   vdeliver       takes a user, or `+`, in passwd.cdb of the home
//   fastforward    takes `:user@host`, `:@host` or `:user@` in the table that the line names
//   bouncesaying   bounces

// The owner and the file that the search has found, and the address.
struct Delivery {
  const UserRecord& owner;
  const DotqmailFile& file;
  std::string_view local;  // with the prefix of a virtual domain
  std::string_view host;
};

// go_on: no line refuses the address.  REQUIRES: in.policy.read.
[[nodiscard]] Next judge_contents(DecisionRun& run, const Delivery& delivery);

}  // namespace qv::rcpt

#endif  // QV_RCPT_STEPS_H_
