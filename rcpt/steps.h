// SPDX-License-Identifier: 0BSD
// rcpt/steps.h - the steps of the decision, and what they share; for rcpt/ alone.
//
// In the order in which decide() takes them: rewrite.cc, recipient_tables.cc, owner.cc,
// dotqmail.cc, contents.cc.  All are pure, and allocate nothing without an Explanation. Tests:
// tests/rcpt/decide_test.cc, recipient_tables_test.cc, contents_test.cc
#ifndef QV_RCPT_STEPS_H_
#define QV_RCPT_STEPS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/text.h"
#include "rcpt/decide.h"
#include "rcpt/fixed_text.h"

namespace qv {

// What follows a step: the next one, or nothing, because the decision has fallen or is pending.
enum class Next : std::uint8_t { go_on, stop };

// Bytes somebody else chose: explained in quotes, with escapes.
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
  // A fault of a look-up: `otherwise` says whose, unless time ran out.
  [[nodiscard]] Next failed(const Error& error, Why otherwise, std::uint8_t position);
  // go_on: `look` is yes or no.
  [[nodiscard]] Next answered(const Result<Look>& look, Why otherwise, std::uint8_t position);
  // What is needed of this control file is not there.
  [[nodiscard]] Next not_usable(std::string_view file);

  // Hands the pieces, joined, to the explanation, if there is one.
  template <class... Pieces>
  void explain(const Pieces&... pieces) const {
    if (explanation == nullptr) return;
    std::string sentence;
    (add(sentence, pieces), ...);
    explanation->step(sentence);
  }

 private:
  static void add(std::string& out, std::string_view text) { out += text; }
  static void add(std::string& out, std::size_t number) { out += std::to_string(number); }
  static void add(std::string& out, int number) { out += std::to_string(number); }
  static void add(std::string& out, Quoted text);
};

// ---- rewrite.cc: from an address to the local part that is looked up, as qmail-send does it -----

inline constexpr std::size_t kMaxAddress = 900;  // bytes; a longer one is not valid

struct Rewritten {
  FixedText<kMaxAddress + 1 + 255> address;  // with the domain it is judged by
  std::size_t at = 0;                        // place of the last '@' in it
  FixedText<kMaxLocal> prefixed;             // of a virtual domain: prefix, '-', local part
  bool is_virtual = false;

  [[nodiscard]] std::string_view user_part() const { return address.view().substr(0, at); }
  [[nodiscard]] std::string_view domain() const { return address.view().substr(at + 1); }
  // What users/cdb and passwd are asked about.
  [[nodiscard]] std::string_view local() const {
    return is_virtual ? prefixed.view() : user_part();
  }
};

// envnoathost and percenthack (protocol, section 2, steps 1 and 2).
// go_on: `out` has the address with the domain it is judged by.
[[nodiscard]] Next qualify_address(DecisionRun& run, std::string_view address, Rewritten& out);

// locals and virtualdomains (steps 3 and 4).  REQUIRES: qualify_address() has said go_on.
// go_on: `out` is whole, the domain is local or virtual.
[[nodiscard]] Next rewrite(DecisionRun& run, Rewritten& out);

// ---- recipient_tables.cc: the recipients of some domains stand in a table, which then decides ---
//
// control/verifymaps says which (rcpt/verifymaps.h).  Its most specific entry counts: the domain,
// its suffixes that begin with a dot, the longest first, the empty key.  A domain that is named is
// decided by its table even if it is neither local nor virtual; the empty key is for those that
// are.  A recipient that is there is valid, unless the value refuses it as a line of access(5)
// does; one that is not there is not.

// What a value means.
struct TableWord {
  Why why = Why::table;   // table, refused or deferred
  std::string_view text;  // for the sender, of the two latter, without codes; may be empty
};

// REJECT, 5NN or 5.N.N as the first word refuses; DEFER, DEFER_IF_PERMIT, 4NN or 4.N.N defers; an
// enhanced code behind them is no part of the text.  Case does not count.  All else, and nothing,
// means that the recipient exists.
[[nodiscard]] TableWord parse_table_word(std::string_view value);

// go_on: the domain is not named, or is left to qmail's own rules.
[[nodiscard]] Next ask_named_table(DecisionRun& run, const Rewritten& rewritten);

// The same by the empty key.  REQUIRES: the domain is local or virtual.
[[nodiscard]] Next ask_table_of_all(DecisionRun& run, const Rewritten& rewritten);

// ---- owner.cc: whose local part is it?  users/cdb, then passwd, then the alias user -------------

inline constexpr std::string_view kAliasUser = "alias";

// As qmail-lspawn and qmail-getpw (steps 5 and 6).
// go_on: `owner` is whole, and neither uid nor gid is 0 if it is out of users/cdb.  Its `rest` is a
// view into `local`; what it appends to ext is not yet lower-cased.
[[nodiscard]] Next find_owner(DecisionRun& run, std::string_view local, UserRecord& owner);

// ---- dotqmail.cc: is there a .qmail file for this extension?  As qmail-local's search (step 8)
// ---

inline constexpr std::size_t kMaxDotqmailName =
    6 + kMaxDash + kMaxStoredExt + kMaxLocal + 7;  // .qmail, dash, ext, default

struct DotqmailFile {
  FixedText<kMaxDotqmailName> name;
  std::size_t default_at = 0;  // not exact: bytes of ext before what `default` stands for
  bool exact = false;          // .qmail + dash + ext itself; else one that ends in -default
  bool is_catch_all = false;   // it is called .qmail-default, however it was found
};

// At most so many names are asked about.  Only an extension with many '/' can have more: each name
// without one is at most 255 bytes long.
inline constexpr int kMaxNamesAsked = 256;

// go_on: there is a file, and `found` says which.
[[nodiscard]] Next search_dotqmail(DecisionRun& run, const UserRecord& owner, DotqmailFile& found);

// ---- contents.cc: does what the .qmail file says take the address? ------------------------------
//
// The lines are followed as qmail-local follows them.  A command whose end is known by a table or a
// text (rcpt/dotqmail_text.h) is judged; one that is not known may end in any way, so from there
// on the file is taken to take the address, as it is where no line bounces.
//
//   vdelivermail   user in vpasswd.cdb of the home (without BOUNCE_MAIL), else its last argument
//   vdeliver       user, or `+`, in passwd.cdb of the home
//   fastforward    `:user@host`, `:@host` or `:user@` in the table that the line names
//   bouncesaying   nobody

// Whose file took which address.
struct Delivery {
  const UserRecord& owner;
  const DotqmailFile& file;
  std::string_view local;  // with the prefix of a virtual domain
  std::string_view host;
};

// go_on: nothing in the file is against the address.  REQUIRES: in.policy.read.
[[nodiscard]] Next judge_contents(DecisionRun& run, const Delivery& delivery);

}  // namespace qv

#endif  // QV_RCPT_STEPS_H_
