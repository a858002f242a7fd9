// SPDX-License-Identifier: 0BSD
// tests/fakes/fake_lookups.h - a system of users and files that exists only in a test.
#ifndef QV_TESTS_FAKES_FAKE_LOOKUPS_H_
#define QV_TESTS_FAKES_FAKE_LOOKUPS_H_

#include <cerrno>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "rcpt/decide.h"
#include "rcpt/lookups.h"
#include "tests/fakes/address_keys.h"

namespace qv {

// The sentences, a line each.
inline std::string join(const rcpt::Explanation& steps) {
  std::string text;
  for (const std::string& step : steps) text += step + "\n";
  return text;
}

class FakeLookups final : public rcpt::Lookups {
 public:
  // A passwd entry; it owns its home unless take_home() says otherwise.
  void add_user(const std::string& name, uid_t uid, const std::string& home, gid_t gid = 100) {
    users_[name] = {uid, gid, home};
    if (!home.empty()) owned_.insert({home, uid});
  }
  void take_home(const std::string& home) {
    std::erase_if(owned_, [&](const auto& entry) { return entry.first == home; });
  }
  void add_file(const std::string& path) { files_.insert(path); }

  void add_file(const std::string& path, const std::string& text) {
    files_.insert(path);
    texts_[path] = text;
  }
  // A cdb by its path, absolute; nullptr takes it away.  REQUIRES: it outlives this object.
  void add_table(const std::string& path, const maps::CdbFile* table) { tables_[path] = table; }

  // A recipient in a table: the key that finds it.
  void add_recipient(const std::string& table, const std::string& key, const std::string& value) {
    recipients_[table + " " + key] = value;
  }
  void add_pattern_table(const std::string& table) { patterns_.insert(table); }

  // What the next hop says about an address; nobody can be asked about others.
  void set_next_hop(const std::string& address, rcpt::Why why, const std::string& text) {
    next_hops_[address] = {why, text};
  }

  // The answer to a question is this fault.  A question: "user joe", "home /home/joe",
  // "file /home/joe/.qmail-x", "text /home/joe/.qmail-x", "table /home/joe/t.cdb",
  // "recipient cdb:/x joe@x.example".
  void break_question(const std::string& question, int errnum = EIO) {
    faults_[question] = {Fault::retry, errnum, "broken by the test"};
  }

  // Each question is pending when it is asked for the first time from now on.
  void answer_late(bool late) {
    late_ = late;
    known_.clear();
  }
  void know_longest_name(std::size_t bytes) { longest_ = bytes; }

  // Seconds since 1970, for accounts that expire.
  std::int64_t now_s = 1000;

  // Everything asked so far, in order.
  std::vector<std::string> asked;

  Result<rcpt::Look> find_user(std::string_view name, rcpt::Owner& owner) override {
    const std::string question = "user " + std::string(name);
    const auto entry = users_.find(name);
    Result<rcpt::Look> look = answer(question, entry != users_.end());
    if (!look.ok() || look.value() != rcpt::Look::yes) return look;
    // The views live until the next look-up, and not longer.
    last_name_ = entry->first;
    last_home_ = entry->second.home;
    owner = {last_name_, entry->second.uid, entry->second.gid, last_home_};
    return look;
  }

  Result<rcpt::Look> owns_home(const rcpt::Owner& owner) override {
    const std::string home(owner.home);
    forget_views();
    return answer("home " + home, owned_.contains({home, owner.uid}));
  }

  Result<rcpt::Look> has_file(const rcpt::Owner& owner, std::string_view name) override {
    const std::string path = std::string(owner.home) + "/" + std::string(name);
    forget_views();
    return answer("file " + path, files_.contains(path));
  }

  Result<rcpt::Look> read_file(const rcpt::Owner& owner, std::string_view name,
                               rcpt::FileText& text) override {
    const std::string path = std::string(owner.home) + "/" + std::string(name);
    forget_views();
    Result<rcpt::Look> look = answer("text " + path, files_.contains(path));
    // A copy that dies with the next look-up that may kill it.
    last_text_ = texts_.contains(path) ? texts_[path] : std::string();
    if (look.ok() && look.value() == rcpt::Look::yes) {
      text.bytes = std::string_view(last_text_).substr(0, 65536);
      text.is_whole = last_text_.size() <= 65536;
    }
    return look;
  }

  Result<rcpt::Look> find_key(const rcpt::Owner& owner, const maps::TableQuestion& question,
                              maps::TableFinding& finding) override {
    const std::string name(question.name);
    const std::string path = name.starts_with("/") ? name : std::string(owner.home) + "/" + name;
    const auto hit = tables_.find(path);
    Result<rcpt::Look> look =
        answer("table " + path, hit != tables_.end() && hit->second != nullptr);
    if (!look.ok() || look.value() != rcpt::Look::yes) return look;
    QV_TRY(finding, maps::find_first_key(*hit->second, question.kind, question.keys, now_s));
    return look;
  }

  Result<rcpt::Look> find_recipient(std::string_view table, std::string_view address,
                                    std::string_view delimiters, rcpt::TableHit& hit) override {
    const std::string name(table);
    hit.whole_only = patterns_.contains(name);
    bool found = false;
    for (const std::string& key : address_keys(address, delimiters)) {
      const auto entry = recipients_.find(name + " " + key);
      if (entry != recipients_.end() && !found) {
        found = true;
        last_key_ = key;
        last_text_ = entry->second;
        hit.key = last_key_;
        hit.value = last_text_;
      }
      if (hit.whole_only) break;
    }
    return answer("recipient " + name + " " + std::string(address), found);
  }

  Result<rcpt::Look> ask_next_hop(std::string_view address, rcpt::NextHopAnswer& said) override {
    forget_views();
    const auto hit = next_hops_.find(std::string(address));
    const std::string question = "hop " + std::string(address);
    Result<rcpt::Look> look = answer(question, true);
    if (!look.ok() || look.value() == rcpt::Look::pending) return look;
    if (hit == next_hops_.end()) return Error{Fault::retry, ENOENT, "nobody to ask"};
    last_text_ = hit->second.second;
    said = {hit->second.first, last_text_};
    return rcpt::Look::yes;
  }

  std::size_t longest_name(const rcpt::Owner&) override { return longest_; }

 private:
  struct User {
    uid_t uid;
    gid_t gid;
    std::string home;
  };

  Result<rcpt::Look> answer(const std::string& question, bool is_so) {
    asked.push_back(question);
    if (late_ && known_.insert(question).second) return rcpt::Look::pending;
    const auto fault = faults_.find(question);
    if (fault != faults_.end()) return fault->second;
    return is_so ? rcpt::Look::yes : rcpt::Look::no;
  }

  void forget_views() {
    last_name_.assign(last_name_.size(), '?');
    last_home_.assign(last_home_.size(), '?');
    last_text_.assign(last_text_.size(), '?');
  }

  std::map<std::string, User, std::less<>> users_;
  std::set<std::pair<std::string, uid_t>> owned_;
  std::set<std::string> files_;
  std::map<std::string, std::string> texts_;
  std::map<std::string, const maps::CdbFile*> tables_;
  std::map<std::string, std::string> recipients_;
  std::set<std::string> patterns_;
  std::map<std::string, std::pair<rcpt::Why, std::string>> next_hops_;
  std::map<std::string, Error> faults_;
  std::set<std::string> known_;
  std::string last_name_;
  std::string last_home_;
  std::string last_text_;
  std::string last_key_;
  std::size_t longest_ = rcpt::kMaxFileName;
  bool late_ = false;
};

}  // namespace qv

#endif  // QV_TESTS_FAKES_FAKE_LOOKUPS_H_
