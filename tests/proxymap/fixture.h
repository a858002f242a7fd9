// SPDX-License-Identifier: 0BSD
// tests/proxymap/fixture.h - a proxy in one process: tables in memory, workers played by the test.
#ifndef QV_TESTS_PROXYMAP_FIXTURE_H_
#define QV_TESTS_PROXYMAP_FIXTURE_H_

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "proxymap/service.h"
#include "tests/fakes/fake_loop.h"
#include "tests/fakes/fake_spawner.h"

namespace qv::proxymap {

// Keys end in a NUL or not, as in the files of Postfix's programs; both forms are looked for.
struct FakeData {
  std::map<std::string, std::string> entries;
  bool pattern = false;
  bool ends_with_nul = false;
  Error fault;
  bool broken = false;
};

class FakeMap final : public maps::Map {
 public:
  explicit FakeMap(FakeData& data) : data_(data) {}

  Result<maps::Answer> lookup(std::string_view key, std::string& value) override {
    if (data_.broken) return data_.fault;
    for (const std::string& form : {std::string(key), std::string(key) + '\0'}) {
      const auto at = data_.entries.find(form);
      if (at == data_.entries.end()) continue;
      value = at->second;
      return maps::Answer::found;
    }
    return maps::Answer::absent;
  }
  Result<maps::Answer> update(std::string_view key, std::string_view value) override {
    if (data_.broken) return data_.fault;
    const bool fresh = data_.entries.insert_or_assign(stored(key), std::string(value)).second;
    return fresh ? maps::Answer::absent : maps::Answer::found;
  }
  Result<maps::Answer> erase(std::string_view key) override {
    return data_.entries.erase(stored(key)) != 0 ? maps::Answer::found : maps::Answer::absent;
  }
  Result<maps::Answer> sequence(maps::Step step, std::string& key, std::string& value) override {
    const auto at =
        step == maps::Step::first ? data_.entries.begin() : data_.entries.upper_bound(walk_);
    if (at == data_.entries.end()) return maps::Answer::absent;
    walk_ = at->first;
    key = at->first;
    if (data_.ends_with_nul) key.pop_back();
    value = at->second;
    return maps::Answer::found;
  }
  bool is_pattern() const override { return data_.pattern; }
  std::string detail() const override { return data_.broken ? "it is broken" : ""; }

 private:
  std::string stored(std::string_view key) const {
    std::string out(key);
    if (data_.ends_with_nul) out.push_back('\0');
    return out;
  }
  FakeData& data_;
  std::string walk_;
};

// An event with its texts.
struct Told {
  EventKind kind;
  std::string operation, table, status, file, line, detail;
};

class ProxyTest : public testing::Test {
 protected:
  ProxyTest() {
    char name[] = "/tmp/qv-proxymap-XXXXXX";
    directory = mkdtemp(name);
    list_path = directory + "/proxy_read_maps";
    asker.on_reply = [this](const wire::proxymap::Reply& reply) {
      late.push_back({reply.status, reply.flags, std::string(reply.value)});
    };
  }
  ~ProxyTest() override {
    unlink(list_path.c_str());
    rmdir(directory.c_str());
  }

  void approve(const std::string& lines) { std::ofstream(list_path) << lines << "\n"; }

  void start() {
    allow_list = std::make_unique<AllowList>(list_path, [this](const control::Problem& problem) {
      problems.push_back(control::to_string(problem));
    });
    tables = std::make_unique<Tables>(
        [this](std::string_view table,
               const maps::MapOptions& options) -> std::unique_ptr<maps::Map> {
          opened.emplace_back(table);
          last_options = options;
          return std::make_unique<FakeMap>(data[std::string(table)]);
        },
        settings.writes);
    pool = std::make_unique<process::Pool>(loop, fake.spawner(), pool_settings,
                                           process::Pool::Observer());
    service = std::make_unique<Service>(
        loop, settings, *allow_list, *tables, *pool, counters, [this](const Event& event) {
          told.push_back({event.kind, std::string(event.operation), std::string(event.table),
                          std::string(event.status), std::string(event.file),
                          std::string(event.line), std::string(event.detail)});
        });
  }

  // The request that the worker at `index` has been sent, taken from its socket; its views are good
  // until the next call.
  wire::proxymap::Request job_at(std::size_t index) {
    job_bytes = fake.request_at(index).body;
    wire::AttributeDecoder decoder;
    wire::proxymap::Request job;
    EXPECT_EQ(decoder.scan(job_bytes), wire::Frame::whole);
    EXPECT_EQ(wire::proxymap::parse_request(decoder, job_bytes, job),
              wire::proxymap::Parsed::request);
    return job;
  }
  void worker_answers(std::size_t index, const WorkerAnswer& answer) {
    fake.answer(index, encode_answer(answer));
  }
  void worker_dies(std::size_t index) { fake.die(index); }

  // Asks; a reply that comes at once is returned, and so is one that has come when `work` is done.
  wire::proxymap::Reply ask(const wire::proxymap::Request& request) {
    late.clear();
    const std::optional<wire::proxymap::Reply> reply = service->ask(request, asker);
    is_late = !reply;
    return reply.value_or(wire::proxymap::Reply{});
  }
  wire::proxymap::Reply lookup(std::string_view table, std::string_view key,
                               std::uint32_t flags = 0) {
    return ask({.operation = wire::proxymap::Operation::lookup,
                .table = table,
                .flags = flags,
                .key = key});
  }

  FakeLoop loop;
  ServiceSettings settings;
  process::FakeSpawner fake{loop};
  process::PoolSettings pool_settings;
  Counters counters;
  std::string directory;
  std::string list_path;
  std::map<std::string, FakeData> data;
  std::vector<std::string> opened;
  maps::MapOptions last_options;
  std::vector<std::string> problems;
  std::vector<Told> told;
  std::unique_ptr<AllowList> allow_list;
  std::unique_ptr<Tables> tables;
  std::unique_ptr<process::Pool> pool;
  std::unique_ptr<Service> service;
  Client asker;
  bool is_late = false;
  std::string job_bytes;
  struct Late {
    wire::proxymap::Status status;
    std::uint32_t flags;
    std::string value;
  };
  std::vector<Late> late;
};

}  // namespace qv::proxymap

#endif  // QV_TESTS_PROXYMAP_FIXTURE_H_
