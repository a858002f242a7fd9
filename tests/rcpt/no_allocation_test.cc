// SPDX-License-Identifier: 0BSD
// While serving, a decision takes no memory from the heap.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "rcpt/decide.h"
#include "tests/fakes/test_tree.h"

namespace {
long allocations = 0;
}

// What this test program allocates with new is counted, all of it.
void* operator new(std::size_t size) {
  ++allocations;
  void* memory = malloc(size == 0 ? 1 : size);
  if (memory == nullptr) abort();
  return memory;
}
void operator delete(void* memory) noexcept { free(memory); }
void operator delete(void* memory, std::size_t) noexcept { free(memory); }

namespace qv::rcpt {
namespace {

class Plain final : public Lookups {
 public:
  Result<Look> find_user(std::string_view name, Owner& owner) override {
    if (name != "alias" && name != "joe") return Look::no;
    owner = {name == "joe" ? "joe" : "alias", 1000, 100, "/home"};
    return Look::yes;
  }
  Result<Look> owns_home(const Owner&) override { return Look::yes; }
  Result<Look> has_file(const Owner&, std::string_view name) override {
    return name == ".qmail-list-default" ? Look::yes : Look::no;
  }
  Result<Look> read_file(const Owner&, std::string_view, FileText& text) override {
    text.bytes = "# a comment\n|fastforward -d -p t.cdb\n|vdelivermail '' bounce-no-mailbox\n";
    return Look::yes;
  }
  Result<Look> find_key(const Owner&, const maps::TableQuestion& question,
                        maps::TableFinding& finding) override {
    QV_TRY(finding, maps::find_first_key(*table, maps::TableKind::aliases, question.keys, 0));
    return Look::yes;
  }
  Result<Look> find_recipient(std::string_view, std::string_view, std::string_view,
                              TableHit& hit) override {
    hit = {"REJECT not here", "a@table.example", false};
    return Look::yes;
  }
  Result<Look> ask_next_hop(std::string_view, NextHopAnswer& answer) override {
    answer = {Why::next_hop_refuses, "no such user"};
    return Look::yes;
  }
  std::size_t longest_name(const Owner&) override { return kMaxFileName; }
  const maps::CdbFile* table = nullptr;
};

TEST(Decide, AllocatesNothing) {
  const TestTree tree;
  tree.write("control/me", "me.example\n");
  tree.write("control/percenthack", "me.example\n");
  tree.write("control/virtualdomains", "v.example:joe\n");
  tree.write("control/verifymaps", ".table.example:cdb:/x\n");
  tree.write("control/verifyprobe", ".probed.example:mx\n");
  tree.write_cdb("users/cdb", {{exact_key("assigned"), user_record({"u", "1", "1", "/h", "", ""})},
                               {"!wild-", user_record({"u", "1", "1", "/h", "-", ""})},
                               {"", "-"}});
  tree.write_cdb("ff.cdb", {{":x@me.example", "y"}});
  std::vector<control::Problem> problems;
  const QmailConfig config = load_config(tree.root(), problems);
  UsersCdb users(tree.path("users/cdb"));
  FastforwardCdb table(tree.path("ff.cdb"));
  static_cast<void>(users.refresh(0, problems));
  static_cast<void>(table.refresh(0, problems));
  Plain system;
  const maps::CdbFile cdb = maps::CdbFile::open(tree.path("ff.cdb").c_str()).value();
  system.table = &cdb;
  DotqmailPolicy policy;
  policy.read = true;
  const DecisionInputs inputs{config, users, system, &table, policy};
  const std::string hostile = std::string(880, '-') + "@me.example";
  const std::string_view addresses[] = {"assigned@me.example",
                                        "wild-x@me.example",
                                        "joe",
                                        "joe-list-x@v.example",
                                        "nobody@me.example",
                                        "a%b@me.example",
                                        "a@relay.x",
                                        "a@b.table.example",
                                        "a@x.Probed.example",
                                        hostile,
                                        "list-x@v.example",
                                        "\n"};
  const long before = allocations;
  for (const std::string_view address : addresses) {
    static_cast<void>(decide(address, inputs));
  }
  EXPECT_EQ(allocations, before);
  EXPECT_GT(before, 0) << "the counter counts";
}

}  // namespace
}  // namespace qv::rcpt
