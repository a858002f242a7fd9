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

// The owner as agents know it, by name; a key of users/cdb is in lower case.
class AgentAccount {
 public:
  explicit AgentAccount(const Owner& owner)
      : account_(helper::account_name(
            owner.source, owner.source == OwnerSource::passwd ? owner.user : owner.matched)),
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

Lane lane_of(const Owner& owner) { return lane_of(LaneKind::owner, owner.uid); }

Result<std::string> read_contents(const Fd& file) {
  std::string bytes(helper::kMaxContents, '\0');
  // Its offset is where the helper stopped writing.
  if (lseek(file.get(), 0, SEEK_SET) != 0) return errno_error("contents");
  QV_TRY(const std::size_t size, read_full(file.get(), bytes.data(), bytes.size()));
  bytes.resize(size);
  bytes.shrink_to_fit();
  return bytes;
}

Result<helper::Request> file_request(const Owner& owner, std::string_view name,
                                     helper::Contents contents) {
  return helper::home_file_request(AgentAccount(owner).owner(), name, contents);
}

}  // namespace

void Homes::forget() {
  homes_.forget();
  files_.forget();
  texts_.forget();
  keys_.forget();
}

Result<void> Homes::take_home(Reply reply, Home& home) {
  if (reply.outcome == Outcome::unchanged) return {};
  home.exists = reply.outcome == Outcome::found;
  home.owner = reply.uid;
  home.stamp = reply.stamp;
  home.names.reset();
  if (!reply.file.valid()) return {};
  QV_TRY(CdbFile table, CdbFile::map(std::move(reply.file)));
  std::string_view value;
  QV_TRY(const Answer answer, table.find({}, value));
  if (answer != Answer::found) return Error{Fault::retry, 0, "home index without a summary"};
  QV_TRY(home.summary, helper::decode_summary(value));
  home.names = std::move(table);
  return {};
}

Result<const Homes::Home*> Homes::find_home(const Owner& owner) {
  const auto make = [&owner](const CachedLookup<Home>::Entry& known) {
    const bool has_index = known.value.names && !known.error;
    return helper::home_index_request(AgentAccount(owner).owner(),
                                      has_index ? known.value.stamp : helper::Stamp{});
  };
  return homes_.find_by_helper(HomeKey(owner).view(), lane_of(owner), make, take_home);
}

Result<Look> Homes::owns_home(const Owner& owner) {
  QV_TRY(const Home* home, find_home(owner));
  if (home == nullptr) return Look::pending;
  return home->exists && home->owner == owner.uid ? Look::yes : Look::no;
}

std::size_t Homes::longest_name(const Owner& owner) {
  const Home* home = homes_.known(HomeKey(owner).view());
  return home != nullptr && home->names ? home->summary.longest : kMaxFileName;
}

Result<void> Homes::take_file(Reply reply, File& file) {
  file.exists = reply.outcome == Outcome::found;
  return {};
}

Result<void> Homes::take_text(Reply reply, File& file) {
  file.bytes.clear();
  file.exists = reply.outcome == Outcome::found;
  if (!file.exists) return {};
  QV_TRY(file.bytes, read_contents(reply.file));
  file.is_whole = reply.size <= file.bytes.size();
  return {};
}

Result<Look> Homes::has_file(const Owner& owner, std::string_view name) {
  QV_TRY(const Home* home, find_home(owner));
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
  const auto make = [&](const auto&) {
    return file_request(owner, name, helper::Contents::not_wanted);
  };
  QV_TRY(const File* file,
         files_.find_by_helper(HomeKey(owner, name).view(), lane_of(owner), make, take_file));
  if (file == nullptr) return Look::pending;
  return file->exists ? Look::yes : Look::no;
}

Result<Look> Homes::read_file(const Owner& owner, std::string_view name, FileText& text) {
  const auto make = [&](const auto&) {
    return file_request(owner, name, helper::Contents::wanted);
  };
  QV_TRY(const File* file,
         texts_.find_by_helper(HomeKey(owner, name).view(), lane_of(owner), make, take_text));
  if (file == nullptr) return Look::pending;
  text = {file->bytes, file->is_whole};
  return file->exists ? Look::yes : Look::no;
}

Result<void> Homes::take_key(Reply reply, Key& key) {
  key.has_table = reply.outcome == Outcome::found;
  key.finding = reply.table;
  return {};
}

Result<Look> Homes::find_key(const Owner& owner, const TableQuestion& question,
                             TableFinding& finding) {
  const auto make = [&](const auto&) {
    return helper::home_table_request(AgentAccount(owner).owner(), question);
  };
  QV_TRY(const Key* key,
         keys_.find_by_helper(HomeKey(owner, question).view(), lane_of(owner), make, take_key));
  if (key == nullptr) return Look::pending;
  finding = key->finding;
  return key->has_table ? Look::yes : Look::no;
}

}  // namespace qv
