// SPDX-License-Identifier: 0BSD
#include "verify/homes.h"

#include <string.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string>
#include <utility>

#include "core/fault.h"
#include "core/file.h"
#include "core/text.h"
#include "helper/account.h"

namespace qv {

namespace {

using helper::Outcome;
using helper::Reply;

// "uid:gid:home", the name a home is remembered by, or "uid:gid:home NUL name", that of something
// its owner reads, or "... NUL name NUL kind:key NUL key NUL", that of keys of a table, without an
// allocation.
class HomeKey {
 public:
  explicit HomeKey(const Owner& owner) {
    put_number(owner.uid);
    put_number(owner.gid);
    put(owner.home);
  }
  HomeKey(const Owner& owner, std::string_view name) : HomeKey(owner) {
    bytes_[used_++] = '\0';
    put(name);
  }
  HomeKey(const Owner& owner, const TableQuestion& question) : HomeKey(owner, question.name) {
    bytes_[used_++] = '\0';
    put_number(static_cast<std::uint32_t>(question.kind));
    // More than a request may hold is kept apart from all that it may.
    std::size_t room = helper::kMaxKeys + 1;
    for (const std::string_view key : question.keys) room -= put_key(key, room);
  }
  [[nodiscard]] std::string_view view() const { return {bytes_.data(), used_}; }

 private:
  // What is longer is refused by the helper's grammar, and never known.
  void put(std::string_view text) {
    const std::string_view head = first_bytes(text, helper::kMaxPath);
    if (!head.empty()) memcpy(bytes_.data() + used_, head.data(), head.size());
    used_ += head.size();
  }
  std::size_t put_key(std::string_view key, std::size_t room) {
    const std::string_view head = first_bytes(key, room);
    if (!head.empty()) memcpy(bytes_.data() + used_, head.data(), head.size());
    used_ += head.size();
    if (head.size() == room) return room;
    bytes_[used_++] = '\0';
    return head.size() + 1;
  }
  void put_number(std::uint32_t number) {
    char* begin = bytes_.data() + used_;
    used_ += static_cast<std::size_t>(std::to_chars(begin, begin + 10, number).ptr - begin);
    bytes_[used_++] = ':';
  }
  std::array<char, 40 + 2 * helper::kMaxPath + helper::kMaxKeys> bytes_;
  std::size_t used_ = 0;
};

Result<void> take_index(Reply reply, std::optional<CdbFile>& names, helper::IndexSummary& summary) {
  names.reset();
  if (!reply.file.valid()) return {};
  QV_TRY(CdbFile table, CdbFile::map(std::move(reply.file)));
  std::string_view value;
  QV_TRY(const Answer answer, table.find({}, value));
  if (answer != Answer::found) return Error{Fault::retry, 0, "home index without a summary"};
  QV_TRY(summary, helper::decode_summary(value));
  names = std::move(table);
  return {};
}

helper::AccountSource source_of(const Owner& owner) {
  switch (owner.source) {
    case OwnerSource::passwd:
      return helper::AccountSource::passwd;
    case OwnerSource::exact:
      return helper::AccountSource::exact;
    case OwnerSource::wildcard:
      return helper::AccountSource::wildcard;
  }
  return helper::AccountSource::passwd;
}

// The owner as agents know it, by name; a key of users/cdb is in lower case.
class AgentAccount {
 public:
  explicit AgentAccount(const Owner& owner)
      : account_(helper::account_name(
            source_of(owner), owner.source == OwnerSource::passwd ? owner.user : owner.matched)),
        owner_{{}, owner.uid, helper::group_for_looking(owner.gid), owner.home} {
    for (char& c : account_) c = ascii_lower(c);
    owner_.account = account_;
  }
  AgentAccount(const AgentAccount&) = delete;
  AgentAccount& operator=(const AgentAccount&) = delete;
  [[nodiscard]] const helper::HomeOwner& owner() const { return owner_; }

 private:
  std::string account_;
  helper::HomeOwner owner_;
};

Result<std::string> read_contents(const Fd& file) {
  std::string bytes(helper::kMaxContents, '\0');
  // Its offset is where the helper stopped writing.
  if (lseek(file.get(), 0, SEEK_SET) != 0) return errno_error("contents");
  QV_TRY(const std::size_t size, read_full(file.get(), bytes.data(), bytes.size()));
  bytes.resize(size);
  bytes.shrink_to_fit();
  return bytes;
}

}  // namespace

Result<void> Homes::ask_home(const Owner& owner, Home& home) {
  const helper::Stamp have = home.names && !home.error ? home.stamp : helper::Stamp{};
  QV_TRY(const helper::Request request,
         helper::home_index_request(AgentAccount(owner).owner(), have));
  askers_.ask(home, request, [&home](Result<Reply> result) -> Result<void> {
    QV_TRY(Reply reply, std::move(result));
    if (reply.outcome == Outcome::unchanged) return {};
    home.exists = reply.outcome == Outcome::found;
    home.owner = reply.uid;
    home.stamp = reply.stamp;
    return take_index(std::move(reply), home.names, home.summary);
  });
  return {};
}

Result<Homes::Home*> Homes::find(const Owner& owner) {
  const HomeKey key(owner);
  Home* home = homes_.find(key.view());
  if (home == nullptr) home = &homes_.add(key.view());
  if (!askers_.is_fresh(*home)) {
    QV_TRY_VOID(ask_home(owner, *home));
    askers_.need(*home);
    return nullptr;
  }
  if (home->error) return *home->error;
  return home;
}

Result<Look> Homes::owns_home(const Owner& owner) {
  QV_TRY(const Home* home, find(owner));
  if (home == nullptr) return Look::pending;
  return home->exists && home->owner == owner.uid ? Look::yes : Look::no;
}

std::size_t Homes::longest_name(const Owner& owner) {
  const HomeKey key(owner);
  const Home* home = homes_.find(key.view());
  const bool known = home != nullptr && askers_.is_fresh(*home) && home->names && !home->error;
  return known ? home->summary.longest : kMaxFileName;
}

Result<void> Homes::ask_file(const Owner& owner, std::string_view name, Home& home, File& file) {
  QV_TRY(const helper::Request request, helper::home_file_request(AgentAccount(owner).owner(), name,
                                                                  helper::Contents::not_wanted));
  if (!file.asking) ++home.busy_files;
  askers_.ask(file, request, [&home, &file](Result<Reply> result) -> Result<void> {
    --home.busy_files;
    QV_TRY(const Reply reply, std::move(result));
    file.exists = reply.outcome == Outcome::found;
    return {};
  });
  return {};
}

Result<Look> Homes::has_file(const Owner& owner, std::string_view name) {
  QV_TRY(Home * home, find(owner));
  if (home == nullptr) return Look::pending;
  // A mailbox owner's home that is not there is more likely not mounted than gone (qmail-local
  // defers such a delivery, too).
  if (!home->exists) return Error{Fault::retry, ENOENT, "home directory"};
  if (home->names) {
    std::string_view unused;
    const std::string_view entry = first_bytes(name, find_byte(name, '/'));
    QV_TRY(const Answer listed, home->names->find(entry, unused));
    if (listed == Answer::absent) return Look::no;
  }
  File* file = home->files.find(name);
  if (file == nullptr) file = &home->files.add(name);
  if (!askers_.is_fresh(*file)) {
    QV_TRY_VOID(ask_file(owner, name, *home, *file));
    askers_.need(*file);
    return Look::pending;
  }
  if (file->error) return *file->error;
  return file->exists ? Look::yes : Look::no;
}

Result<void> Homes::ask_text(const Owner& owner, std::string_view name, Text& text) {
  QV_TRY(const helper::Request request,
         helper::home_file_request(AgentAccount(owner).owner(), name, helper::Contents::wanted));
  askers_.ask(text, request, [&text](Result<Reply> result) -> Result<void> {
    text.bytes.clear();
    QV_TRY(const Reply reply, std::move(result));
    text.exists = reply.outcome == Outcome::found;
    if (!text.exists) return {};
    QV_TRY(text.bytes, read_contents(reply.file));
    text.is_whole = reply.size <= text.bytes.size();
    return {};
  });
  return {};
}

Result<Look> Homes::read_file(const Owner& owner, std::string_view name, FileText& text) {
  const HomeKey key(owner, name);
  Text* known = texts_.find(key.view());
  if (known == nullptr) known = &texts_.add(key.view());
  if (!askers_.is_fresh(*known)) {
    QV_TRY_VOID(ask_text(owner, name, *known));
    askers_.need(*known);
    return Look::pending;
  }
  if (known->error) return *known->error;
  text.bytes = known->bytes;
  text.is_whole = known->is_whole;
  return known->exists ? Look::yes : Look::no;
}

Result<void> Homes::ask_key(const Owner& owner, const TableQuestion& question, Key& key) {
  QV_TRY(const helper::Request request,
         helper::home_table_request(AgentAccount(owner).owner(), question));
  askers_.ask(key, request, [&key](Result<Reply> result) -> Result<void> {
    QV_TRY(const Reply reply, std::move(result));
    key.has_table = reply.outcome == Outcome::found;
    key.finding = reply.table;
    return {};
  });
  return {};
}

Result<Look> Homes::find_key(const Owner& owner, const TableQuestion& question,
                             TableFinding& finding) {
  const HomeKey name(owner, question);
  Key* known = keys_.find(name.view());
  if (known == nullptr) known = &keys_.add(name.view());
  if (!askers_.is_fresh(*known)) {
    QV_TRY_VOID(ask_key(owner, question, *known));
    askers_.need(*known);
    return Look::pending;
  }
  if (known->error) return *known->error;
  finding = known->finding;
  return known->has_table ? Look::yes : Look::no;
}

}  // namespace qv
