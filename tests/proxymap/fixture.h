// SPDX-License-Identifier: 0BSD
// tests/proxymap/fixture.h - a proxy in one process: tables in memory, workers played by the test.
#ifndef QV_TESTS_PROXYMAP_FIXTURE_H_
#define QV_TESTS_PROXYMAP_FIXTURE_H_

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "proxymap/service.h"
#include "tests/fakes/fake_loop.h"

namespace qv::proxymap {

// Keys end in a NUL or not, as in the files of Postfix's programs; both forms are looked for.
struct FakeData {
  std::map<std::string, std::string> entries;
  bool pattern = false;
  bool ends_with_nul = false;
  Error fault;
  bool broken = false;
};

class FakeMap final : public Map {
 public:
  explicit FakeMap(FakeData& data) : data_(data) {}

  Result<Answer> lookup(std::string_view key, std::string& value) override {
    if (data_.broken) return data_.fault;
    for (const std::string& form : {std::string(key), std::string(key) + '\0'}) {
      const auto at = data_.entries.find(form);
      if (at == data_.entries.end()) continue;
      value = at->second;
      return Answer::found;
    }
    return Answer::absent;
  }
  Result<Answer> update(std::string_view key, std::string_view value) override {
    if (data_.broken) return data_.fault;
    const bool fresh = data_.entries.insert_or_assign(stored(key), std::string(value)).second;
    return fresh ? Answer::absent : Answer::found;
  }
  Result<Answer> erase(std::string_view key) override {
    return data_.entries.erase(stored(key)) != 0 ? Answer::found : Answer::absent;
  }
  Result<Answer> sequence(Step step, std::string& key, std::string& value) override {
    const auto at = step == Step::first ? data_.entries.begin() : data_.entries.upper_bound(walk_);
    if (at == data_.entries.end()) return Answer::absent;
    walk_ = at->first;
    key = at->first;
    if (data_.ends_with_nul) key.pop_back();
    value = at->second;
    return Answer::found;
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

class ProxyTest : public testing::Test, private Asker {
 protected:
  ProxyTest() {
    char name[] = "/tmp/qv-proxymap-XXXXXX";
    directory = mkdtemp(name);
    list_path = directory + "/proxy_read_maps";
  }
  ~ProxyTest() override {
    unlink(list_path.c_str());
    rmdir(directory.c_str());
  }

  void approve(const std::string& lines) { std::ofstream(list_path) << lines << "\n"; }

  void start() {
    allow_list = std::make_unique<AllowList>(
        list_path, [this](const Problem& problem) { problems.push_back(to_string(problem)); });
    tables = std::make_unique<Tables>(
        [this](std::string_view table, const MapOptions& options) -> std::unique_ptr<Map> {
          opened.emplace_back(table);
          last_options = options;
          return std::make_unique<FakeMap>(data[std::string(table)]);
        },
        settings.writes);
    pool = std::make_unique<Pool>(loop, pool_limits, [this]() -> Result<Worker> {
      if (no_workers) return Error{Fault::retry, EAGAIN, "fork"};
      int ends[2];
      EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
      worker_ends.emplace_back(ends[1]);
      worker_numbers.push_back(ends[0]);
      return Worker{0, Fd(ends[0])};
    });
    service = std::make_unique<Service>(
        loop, settings, *allow_list, *tables, *pool, counters, [this](const Event& event) {
          told.push_back({event.kind, std::string(event.operation), std::string(event.table),
                          std::string(event.status), std::string(event.file),
                          std::string(event.line), std::string(event.detail)});
        });
  }

  // The job that the worker at `index` has been sent, taken from its socket.
  Job job_at(std::size_t index) {
    loop.run();
    Job job;
    char buffer[4096];
    const ssize_t n = recv(worker_ends[index].get(), buffer, sizeof buffer, 0);
    if (n <= 0) return job;
    const std::string_view bytes(buffer, static_cast<std::size_t>(n));
    AttributeDecoder decoder;
    EXPECT_EQ(decoder.scan(bytes), Frame::whole);
    EXPECT_TRUE(parse_job(decoder, bytes, job));
    return job;
  }
  void worker_answers(std::size_t index, const JobAnswer& answer) {
    std::string bytes;
    append_answer(bytes, answer);
    EXPECT_EQ(send(worker_ends[index].get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    loop.make_readable(worker_numbers[index]);
  }
  void worker_dies(std::size_t index) {
    worker_ends[index].reset();
    loop.make_readable(worker_numbers[index]);
  }

  // Asks; a reply that comes at once is returned, and so is one that has come when `work` is done.
  Reply ask(const Request& request) {
    Reply reply;
    ticket = 0;
    late.clear();
    done = service->ask(request, *this, walk, -1, reply, ticket);
    return reply;
  }
  Reply lookup(std::string_view table, std::string_view key, std::uint32_t flags = 0) {
    return ask({.operation = Operation::lookup, .table = table, .flags = flags, .key = key});
  }

  FakeLoop loop;
  ServiceSettings settings;
  PoolLimits pool_limits;
  Counters counters;
  std::string directory;
  std::string list_path;
  std::map<std::string, FakeData> data;
  std::vector<std::string> opened;
  MapOptions last_options;
  std::vector<std::string> problems;
  std::vector<Told> told;
  std::vector<Fd> worker_ends;
  std::vector<int> worker_numbers;
  bool no_workers = false;
  std::unique_ptr<AllowList> allow_list;
  std::unique_ptr<Tables> tables;
  std::unique_ptr<Pool> pool;
  std::unique_ptr<Service> service;
  Walk walk;
  Pool::Ticket ticket = 0;
  Service::Done done = Service::Done::now;
  struct Late {
    Status status;
    std::uint32_t flags;
    std::string value;
  };
  std::vector<Late> late;

 private:
  void on_reply(const Reply& reply) override {
    late.push_back({reply.status, reply.flags, std::string(reply.value)});
  }
};

}  // namespace qv::proxymap

#endif  // QV_TESTS_PROXYMAP_FIXTURE_H_
