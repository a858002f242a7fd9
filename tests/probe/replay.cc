// SPDX-License-Identifier: 0BSD
#include "tests/probe/replay.h"

#include <dirent.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <optional>

#include "core/text.h"
#include "probe/records.h"
#include "probe/service.h"
#include "tests/fakes/fake_loop.h"
#include "tests/fakes/fake_network.h"

namespace qv::probe {

namespace {

constexpr std::int64_t kBeginning = 2000000000;

// A store that can be told to fail.
class FragileStore final : public cache::CacheStore {
 public:
  FragileStore() : cache::CacheStore("", 10000) {}

  bool broken = false;

  Result<maps::Answer> lookup(std::string_view key, std::string& value) override {
    if (broken) return kBroken;
    return cache::CacheStore::lookup(key, value);
  }
  Result<void> put(std::string_view key, std::string_view value) override {
    if (broken) return kBroken;
    return cache::CacheStore::put(key, value);
  }
  Result<maps::Answer> erase(std::string_view key) override {
    if (broken) return kBroken;
    return cache::CacheStore::erase(key);
  }
  Result<void> walk(std::string_view after, const Visitor& visitor) override {
    if (broken) return kBroken;
    return cache::CacheStore::walk(after, visitor);
  }

 private:
  static constexpr Error kBroken{Fault::retry, 5, "store"};
};

std::string take_word(std::string_view& rest) {
  rest = trim_blanks(rest);
  const std::string word(take_until(rest, ' '));
  rest = trim_blanks(rest);
  return word;
}

class Player {
 public:
  // Empty, or what was otherwise.
  std::string play(std::string_view line);

 private:
  using Statement = std::string (Player::*)(std::string_view rest);

  std::string set(std::string_view rest);
  std::string route(std::string_view rest);
  std::string hop(std::string_view rest);
  std::string query(std::string_view rest);
  std::string expect(std::string_view rest);
  std::string update(std::string_view rest);
  std::string time_passes(std::string_view rest);
  std::string said(std::string_view rest);
  std::string record(std::string_view rest);
  std::string expect_record(std::string_view rest);
  std::string expect_entries(std::string_view rest);
  std::string store(std::string_view rest);
  std::string restart(std::string_view rest);
  std::string cleanup(std::string_view rest);

  void begin();
  [[nodiscard]] std::int64_t now() const {
    return kBeginning + (loop_.now_us() - start_us_) / 1000000;
  }
  static std::optional<std::int64_t> duration(std::string_view text);
  static std::optional<cache::RecipientStatus> status(std::string_view text);

  FakeLoop loop_;
  std::int64_t start_us_ = loop_.now_us();
  FakeNetwork network_{loop_};
  FragileStore store_;
  ServiceSettings settings_;
  ProbeLimits limits_;
  std::vector<control::ControlLine> route_lines_;
  std::map<std::string, std::size_t> seen_;  // commands of a hop counted by said
  std::uint64_t random_ = 250;
  std::unique_ptr<ProbeDriver> driver_;
  std::unique_ptr<Records> records_;
  std::unique_ptr<ProbeService> service_;
  std::unique_ptr<CacheCleanup> cleanup_;
  std::optional<VerifyAnswer> answer_;
};

std::optional<std::int64_t> Player::duration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  constexpr std::pair<char, std::int64_t> kUnits[] = {
      {'s', 1}, {'m', cache::kMinute_s}, {'h', cache::kHour_s}, {'d', cache::kDay_s}};
  std::uint64_t number = 0;
  for (const auto& [letter, seconds] : kUnits) {
    if (text.back() != letter) continue;
    if (!parse_decimal(first_bytes(text, text.size() - 1), 1000000000, number)) break;
    return static_cast<std::int64_t>(number) * seconds;
  }
  return std::nullopt;
}

std::optional<cache::RecipientStatus> Player::status(std::string_view text) {
  for (const auto one : {cache::RecipientStatus::ok, cache::RecipientStatus::defer,
                         cache::RecipientStatus::bounce, cache::RecipientStatus::todo}) {
    if (cache::status_name(one) == text) return one;
  }
  return std::nullopt;
}

void Player::begin() {
  if (service_) return;
  const Report quiet = [](process::LogLine&) {};
  CalloutOptions options;
  options.hello_name = "mx.example.org";
  driver_ = std::make_unique<ProbeDriver>(
      ProbeDriver::Surroundings{loop_, network_.connector(), network_.resolver(),
                                network_.exchanger_lookup(), [this] { return random_; },
                                [](const event::StreamAddress&) { return false; }},
      limits_, options);
  records_ = std::make_unique<Records>(store_, now(), quiet);
  service_ = std::make_unique<ProbeService>(
      loop_, [this] { return now(); }, *records_, *driver_, settings_, quiet);
  cleanup_ = std::make_unique<CacheCleanup>(
      loop_, store_, [this] { return now(); }, settings_.times, 0, quiet);
  std::vector<control::Problem> problems;
  service_->set_routes(Routes(route_lines_, {}, problems));
}

std::string Player::set(std::string_view rest) {
  const std::string name = take_word(rest);
  cache::CacheTimes& times = settings_.times;
  const std::pair<const char*, std::int64_t*> kDurations[] = {
      {"positive_expire", &times.positive_expire}, {"positive_refresh", &times.positive_refresh},
      {"negative_expire", &times.negative_expire}, {"negative_refresh", &times.negative_refresh},
      {"defer_hold", &times.defer_hold},           {"probe_lost", &times.probe_lost},
      {"accept_all_time", &times.accept_all}};
  for (const auto& [known, value] : kDurations) {
    if (name != known) continue;
    const auto seconds = duration(rest);
    if (!seconds) return "a duration expected";
    *value = *seconds;
    return "";
  }
  std::uint64_t number = 0;
  if (name == "negative_cache") {
    times.negative_cache = rest == "yes";
  } else if (name == "accept_all") {
    settings_.accept_all =
        rest == "ok" ? cache::RecipientStatus::ok : cache::RecipientStatus::defer;
  } else if (name == "domain_check") {
    settings_.domain_check =
        rest == "yes" ? ProbeDriver::DomainCheck::yes : ProbeDriver::DomainCheck::no;
  } else if (name == "pending" && parse_decimal(rest, 1000000, number)) {
    limits_.pending = number;
  } else if (name == "rate" && parse_decimal(rest, 1000000, number)) {
    limits_.rate = number;
  } else {
    return "no such setting";
  }
  return "";
}

std::string Player::route(std::string_view rest) {
  route_lines_.push_back({std::string(rest), 1});
  std::vector<control::Problem> problems;
  Routes routes(route_lines_, {}, problems);
  if (!problems.empty()) return control::to_string(problems.front());
  if (service_) service_->set_routes(std::move(routes));
  return "";
}

std::string Player::hop(std::string_view rest) {
  FakeHop& hop = network_.hops["inet:" + take_word(rest)];
  const std::string verb = take_word(rest);
  if (verb == "up") {
    hop.connect = FakeHop::Connect::accept;
  } else if (verb == "down") {
    hop.connect = FakeHop::Connect::refuse;
  } else if (verb == "hang") {
    hop.connect = FakeHop::Connect::hang;
  } else if (verb == "forgets") {
    hop.replies.clear();
  } else if (verb == "says") {
    const std::size_t to = rest.rfind(" to ");
    if (to == std::string_view::npos) return "says REPLY to BEGINNING expected";
    std::string reply(rest.substr(0, to));
    if (reply == "silence" || reply == "close") reply = "(" + reply + ")";
    // The latest counts.
    hop.replies.insert(hop.replies.begin(), {std::string(rest.substr(to + 4)), reply});
  } else {
    return "up, down, hang, says or forgets expected";
  }
  return "";
}

std::string Player::query(std::string_view rest) {
  begin();
  const std::string address = take_word(rest);
  std::int64_t wait_us = 0;
  if (starts_with(rest, "wait=")) {
    const auto seconds = duration(after_bytes(rest, 5));
    if (!seconds) return "a duration expected";
    wait_us = *seconds * 1000000;
  }
  answer_.reset();
  const VerifyAnswer* known = service_->find_known(address);
  const std::optional<VerifyAnswer> at_once = known ? std::optional(*known) : std::nullopt;
  service_->query(address, wait_us, [this](const VerifyAnswer& answer) { answer_ = answer; });
  if (!at_once) return "";
  const bool same = answer_ && at_once->status == answer_->status && at_once->why == answer_->why &&
                    at_once->reason == answer_->reason;
  return same ? "" : "the answer at once is another one";
}

std::string Player::expect(std::string_view rest) {
  if (rest == "nothing yet") return answer_ ? "an answer is there" : "";
  if (!answer_) return "there is no answer";
  const std::string word = take_word(rest);
  const auto wanted = status(word);
  if (!wanted) return "a status expected";
  const std::string got = std::string(cache::status_name(answer_->status)) +
                          " why=" + std::string(answer_->why) + " text=" + answer_->reason;
  if (answer_->status != *wanted) return "it is " + got;
  if (starts_with(rest, "why=") && answer_->why != after_bytes(take_word(rest), 4)) {
    return "it is " + got;
  }
  if (starts_with(rest, "text=") && answer_->reason != after_bytes(rest, 5)) return "it is " + got;
  return "";
}

std::string Player::update(std::string_view rest) {
  begin();
  const std::string address = take_word(rest);
  const auto outcome = status(take_word(rest));
  if (!outcome || *outcome == cache::RecipientStatus::todo) return "ok, defer or bounce expected";
  const auto updated = service_->update(address, *outcome, rest);
  return updated == ProbeService::Updated::done ? "" : "refused";
}

std::string Player::time_passes(std::string_view rest) {
  const auto seconds = duration(rest);
  if (!seconds) return "a duration expected";
  loop_.advance_us(*seconds * 1000000);
  return "";
}

std::string Player::said(std::string_view rest) {
  const std::string name = take_word(rest);
  std::uint64_t wanted = 0;
  if (!parse_decimal(take_word(rest), 100000, wanted)) return "a number expected";
  const auto& commands = network_.hops["inet:" + name].commands;
  std::uint64_t count = 0;
  for (std::size_t i = seen_[name]; i < commands.size(); ++i) {
    if (starts_with(commands[i], rest)) ++count;
  }
  seen_[name] = commands.size();
  return count == wanted ? "" : "it was " + std::to_string(count);
}

std::string Player::record(std::string_view rest) {
  const std::string key = take_word(rest);
  return store_.put(key, rest).ok() ? "" : "cannot store";
}

std::string Player::expect_record(std::string_view rest) {
  const std::string key = take_word(rest);
  std::string wanted;
  while (!rest.empty()) {
    const std::size_t at = std::min(rest.find("@+"), rest.size());
    wanted += first_bytes(rest, at);
    rest = after_bytes(rest, at + 2);
    if (rest.empty()) break;
    std::size_t digits = 0;
    while (digits < rest.size() && is_digit(rest[digits])) ++digits;
    std::uint64_t seconds = 0;
    if (!parse_decimal(first_bytes(rest, digits), INT64_MAX, seconds)) return "@+NUMBER expected";
    wanted += std::to_string(kBeginning + static_cast<std::int64_t>(seconds));
    rest = after_bytes(rest, digits);
  }
  std::string value = "absent";
  if (!store_.lookup(key, value).ok()) return "the store fails";
  return value == wanted ? "" : "it is " + value;
}

std::string Player::expect_entries(std::string_view rest) {
  const std::string got = std::to_string(store_.size());
  return got == rest ? "" : "it is " + got;
}

std::string Player::store(std::string_view rest) {
  store_.broken = rest == "fails";
  return rest == "fails" || rest == "works" ? "" : "fails or works expected";
}

std::string Player::restart(std::string_view /*rest*/) {
  cleanup_.reset();
  service_.reset();
  records_.reset();
  driver_.reset();
  begin();
  return "";
}

std::string Player::cleanup(std::string_view /*rest*/) {
  begin();
  cleanup_->begin();
  loop_.run();
  return "";
}

std::string Player::play(std::string_view line) {
  const std::pair<const char*, Statement> kStatements[] = {
      {"set", &Player::set},
      {"route", &Player::route},
      {"hop", &Player::hop},
      {"query", &Player::query},
      {"expect", &Player::expect},
      {"update", &Player::update},
      {"time_passes", &Player::time_passes},
      {"said", &Player::said},
      {"record", &Player::record},
      {"expect_record", &Player::expect_record},
      {"expect_entries", &Player::expect_entries},
      {"store", &Player::store},
      {"restart", &Player::restart},
      {"cleanup", &Player::cleanup}};
  const std::string verb = take_word(line);
  for (const auto& [known, statement] : kStatements) {
    if (verb == known) return (this->*statement)(line);
  }
  return "no such statement";
}

}  // namespace

std::string play_scenario(const std::string& path) {
  std::ifstream file(path);
  if (!file) return path + ": cannot open";
  Player player;
  std::string line;
  int statements = 0;
  for (int number = 1; std::getline(file, line); ++number) {
    const std::string_view text = trim_blanks(line);
    if (text.empty() || text.front() == '#') continue;
    ++statements;
    const std::string otherwise = player.play(text);
    if (otherwise.empty()) continue;
    return path + ":" + std::to_string(number) + ": " + std::string(text) + ": " + otherwise;
  }
  return statements == 0 ? path + ": empty" : "";
}

std::vector<std::string> list_scenarios(const std::string& directory) {
  std::vector<std::string> paths;
  DIR* entries = opendir(directory.c_str());
  if (entries == nullptr) return paths;
  while (const dirent* entry = readdir(entries)) {
    const std::string name = entry->d_name;
    if (ends_with(name, ".scn")) paths.push_back(directory + "/" + name);
  }
  closedir(entries);
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace qv::probe
