// SPDX-License-Identifier: 0BSD
// The contract of house-style 4.9, run for every type that this build has.
#include "tests/maps/contract.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include "core/clock.h"
#include "maps/open.h"
#include "maps/registry.h"

namespace qv::maps {

std::map<std::string, Contract>& contracts() {
  static std::map<std::string, Contract> all;
  return all;
}

namespace {

class MapContract : public testing::TestWithParam<const MapType*> {
 protected:
  void SetUp() override {
    const auto found = contracts().find(std::string(GetParam()->name));
    ASSERT_NE(found, contracts().end())
        << "the type has no tests/maps/contract_" << GetParam()->name << ".cc";
    contract_ = &found->second;
    const std::string missing = contract_->missing ? contract_->missing() : "";
    if (!missing.empty()) GTEST_SKIP() << missing << " is not installed";
    renew();
  }

  void renew() {
    map_.reset();
    table_ = contract_->make();
    ASSERT_NE(table_, nullptr);
  }

  Result<std::unique_ptr<Map>> try_open(bool for_update = false) {
    detail_.clear();
    return open_map(table_->name(), {.for_update = for_update}, detail_);
  }
  void open(bool for_update = false) {
    Result<std::unique_ptr<Map>> map = try_open(for_update);
    ASSERT_TRUE(map.ok()) << detail_;
    map_ = std::move(map).value();
  }

  // What a look-up says, in one word.
  std::string ask(Map& map, std::string_view key) {
    value_ = "untouched";
    const Result<Answer> answer = map.lookup(key, value_);
    if (!answer.ok()) return std::string("fault");
    if (answer.value() == Answer::found) return "found " + value_;
    EXPECT_EQ(value_, "untouched") << "an absent key changed the value";
    return "absent";
  }
  std::string ask(std::string_view key) { return ask(*map_, key); }

  std::string expected_for_known() const {
    return table_->fails_all ? "fault" : "found " + table_->known_value;
  }
  std::string expected_for_absent() const {
    if (table_->fails_all) return "fault";
    return table_->finds_all ? "found " + table_->known_value : "absent";
  }

  const Contract* contract_ = nullptr;
  std::unique_ptr<ContractTable> table_;
  std::unique_ptr<Map> map_;
  std::string detail_;
  std::string value_;
};

TEST_P(MapContract, FindsWhatIsThereAndNothingElse) {
  open();
  EXPECT_EQ(ask(table_->known_key), expected_for_known()) << map_->detail();
  EXPECT_EQ(ask(table_->absent_key), expected_for_absent()) << map_->detail();
  EXPECT_EQ(ask(table_->known_key), expected_for_known());
}

TEST_P(MapContract, KeepsAnEmptyKeyAnEmptyKey) {
  open();
  EXPECT_EQ(ask(""), expected_for_absent());
}

TEST_P(MapContract, DoesNotEndAKeyAtItsNul) {
  open();
  const std::string nul(1, '\0');
  EXPECT_EQ(ask(table_->known_key + nul + "x"), expected_for_absent());
  EXPECT_EQ(ask(nul + table_->known_key), expected_for_absent());
  EXPECT_EQ(ask(nul), expected_for_absent());
}

TEST_P(MapContract, TakesALongKey) {
  open();
  const std::string said = ask(std::string(65536, 'a') + "@example.org");
  if (said != "fault" || !table_->long_key_may_fail) {
    EXPECT_EQ(said, expected_for_absent());
  }
  EXPECT_EQ(ask(table_->known_key), expected_for_known());
}

TEST_P(MapContract, TakesNoPartOfAKeyForAQuery) {
  open();
  const std::string& known = table_->known_key;
  const std::string keys[] = {"' OR '1'='1",
                              "' OR 1=1 -- ",
                              known + "' -- ",
                              known + "\" -- ",
                              known + "' OR 'a'='a",
                              "x'; DROP TABLE users; --",
                              "x\\' OR 1=1 -- ",
                              "\\",
                              known + "\\",
                              "%",
                              "%@example.org",
                              "%s",
                              "_ser@example.org",
                              "*",
                              "*@example.org",
                              "*)(uid=*",
                              known + ")(objectClass=*",
                              "(",
                              ")",
                              "&",
                              "|(uid=*)",
                              "$1",
                              "${1}",
                              "{}",
                              "[",
                              "?",
                              "a\r\nGET " + known,
                              "x\nget " + known,
                              known + "\n",
                              "\xff\xfe",
                              "us\xe9r@example.org"};
  for (const std::string& key : keys) EXPECT_EQ(ask(key), expected_for_absent()) << key;
  EXPECT_EQ(ask(known), expected_for_known()) << map_->detail();
}

TEST_P(MapContract, GivesValuesWithANul) {
  if (table_->nul_key.empty()) return;  // no value of this type can hold one
  open();
  EXPECT_EQ(ask(table_->nul_key), "found " + table_->nul_value);
}

TEST_P(MapContract, CanBeOpenedTwice) {
  open();
  {
    Result<std::unique_ptr<Map>> second = try_open();
    ASSERT_TRUE(second.ok()) << detail_;
    EXPECT_EQ(ask(*second.value(), table_->known_key), expected_for_known());
    EXPECT_EQ(ask(table_->known_key), expected_for_known());
  }
  EXPECT_EQ(ask(table_->known_key), expected_for_known());
}

TEST_P(MapContract, NeverTakesDamageForAbsence) {
  const std::size_t count = table_->damages.size();
  for (std::size_t i = 0; i < count; ++i) {
    renew();
    const Damage& damage = table_->damages[i];
    SCOPED_TRACE(damage.name);
    if (damage.while_open) {
      open();
      EXPECT_EQ(ask(table_->known_key), expected_for_known());
    }
    damage.happen();
    if (!damage.while_open) {
      Result<std::unique_ptr<Map>> map = try_open();
      if (!map.ok()) {
        EXPECT_NE(map.error().fault, Fault::denied);
        EXPECT_FALSE(detail_.empty());
        continue;
      }
      map_ = std::move(map).value();
    }
    EXPECT_EQ(ask(table_->known_key), "fault");
  }
}

TEST_P(MapContract, IsWrittenOnlyWhereItSaysSo) {
  const Traits& traits = GetParam()->traits;
  if (table_->fails_all) return;
  open();
  EXPECT_FALSE(map_->update("new", "1").ok());
  EXPECT_FALSE(map_->erase(table_->known_key).ok());
  EXPECT_EQ(ask(table_->known_key), expected_for_known());
  if (!traits.writable) {
    const Result<std::unique_ptr<Map>> refused = try_open(true);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().fault, Fault::denied);
    return;
  }
  open(true);
  EXPECT_EQ(map_->update("new", "1").value(),
            table_->tells_replaced ? Answer::absent : Answer::found);
  EXPECT_EQ(ask("new"), "found 1");
  EXPECT_EQ(map_->update("new", "2").value(), Answer::found);
  EXPECT_EQ(ask("new"), "found 2");
  EXPECT_EQ(map_->erase("new").value(), Answer::found);
  EXPECT_EQ(map_->erase("new").value(), Answer::absent);
  EXPECT_EQ(ask("new"), "absent");
  EXPECT_EQ(ask(table_->known_key), expected_for_known());
}

TEST_P(MapContract, IsListedOnlyWhereItSaysSo) {
  if (table_->fails_all) return;
  open();
  std::string key;
  std::string value;
  const Result<Answer> first = map_->sequence(Step::first, key, value);
  if (!GetParam()->traits.listable) {
    ASSERT_FALSE(first.ok());
    EXPECT_EQ(first.error().fault, Fault::denied);
    return;
  }
  int entries = 0;
  for (Result<Answer> more = first; more.value() == Answer::found;
       more = map_->sequence(Step::next, key, value)) {
    ++entries;
  }
  EXPECT_GT(entries, 0);
}

TEST_P(MapContract, SaysOfItselfWhatItsTypeSays) {
  // These are what their members are.
  if (GetParam()->name == "unionmap" || GetParam()->name == "pipemap") return;
  open();
  EXPECT_EQ(map_->is_pattern(), GetParam()->traits.pattern);
  EXPECT_FALSE(map_->is_empty());
}

TEST_P(MapContract, SurvivesTheDeathOfItsServer) {
  if (!table_->kill) return;  // has no server
  open();
  EXPECT_EQ(ask(table_->known_key), expected_for_known());
  table_->kill();
  EXPECT_EQ(ask(table_->known_key), "fault");
  EXPECT_FALSE(map_->detail().empty());
  ASSERT_TRUE(table_->revive());
  const std::int64_t until = monotonic_us() + 5'000'000;
  while (ask(table_->known_key) == "fault" && monotonic_us() < until) usleep(50'000);
  EXPECT_EQ(ask(table_->known_key), expected_for_known()) << map_->detail();
  EXPECT_EQ(ask(table_->absent_key), "absent");
}

TEST_P(MapContract, SurvivesTheDeathOfItsServerInTheMiddleOfALookUp) {
  if (table_->slow_table.empty()) return;  // has no slow look-up
  std::string detail;
  Result<std::unique_ptr<Map>> slow = open_map(table_->slow_table, {}, detail);
  ASSERT_TRUE(slow.ok()) << detail;
  const std::int64_t begun = monotonic_us();
  EXPECT_EQ(ask(*slow.value(), table_->known_key), "fault") << "the time limit of one second";
  EXPECT_LT(monotonic_us() - begun, 4'000'000);
  if (!table_->kill) return;  // has no server

  const pid_t killer = fork();
  if (killer == 0) {
    usleep(300'000);
    table_->kill();
    _exit(0);
  }
  EXPECT_EQ(ask(*slow.value(), table_->known_key), "fault");
  EXPECT_LT(monotonic_us() - begun, 8'000'000);
  waitpid(killer, nullptr, 0);
  table_->kill();
  ASSERT_TRUE(table_->revive());
}

std::string name_of(const testing::TestParamInfo<const MapType*>& info) {
  return std::string(info.param->name);
}

// Modules are loaded for it; one that cannot be fails find_type_test.
std::vector<const MapType*> every_type() {
  std::vector<const MapType*> all(built_in_types().begin(), built_in_types().end());
  for (const std::string_view name : loadable_types()) {
    if (const MapType* type = find_map_type(name)) all.push_back(type);
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(EveryType, MapContract, testing::ValuesIn(every_type()), name_of);

}  // namespace
}  // namespace qv::maps
