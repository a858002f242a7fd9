// SPDX-License-Identifier: 0BSD
// verify/cached_lookup.h - look-ups that take time: joined, and their answers remembered.
//
// A decision may use an answer that was asked for no longer than the time to live before its query
// came in.  An older one is asked for again; the decision is pending meanwhile, and is run again
// when the answer is there.  Equal questions are joined: one is under way, however many wait.
//
// Threads: none.  Blocking: never.  Bounded: entries, but for those that queries wait for.
// Tests: tests/verify/cached_lookup_test.cc, tests/verify/homes_test.cc
#ifndef QV_VERIFY_CACHED_LOOKUP_H_
#define QV_VERIFY_CACHED_LOOKUP_H_

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/pool.h"
#include "core/result.h"
#include "event/loop.h"
#include "rcpt/lookups.h"

namespace qv::verify {

// A bounded number of values by name; the least recently used one is dropped first.
//
// V has is_busy(): a busy value is never dropped, so there may be more than the limit while that
// many are busy.  Pointers to a value stay valid until it is dropped.
template <class V>
class LruCache {
 public:
  explicit LruCache(std::size_t limit) : limit_(limit) {}

  // The value of that name, now the most recently used; nullptr where there is none.
  [[nodiscard]] V* find(std::string_view name) {
    const auto hit = index_.find(name);
    if (hit == index_.end()) return nullptr;
    if (hit->second != order_.begin()) order_.splice(order_.begin(), order_, hit->second);
    return &hit->second->value;
  }

  // A new value under that name.  REQUIRES: there is none.
  V& add(std::string_view name) {
    while (index_.size() >= limit_ && drop_one()) {
    }
    order_.emplace_front(std::string(name));
    // The index's key is a view of the name in the list: list nodes do not move.
    index_.emplace(order_.front().name, order_.begin());
    return order_.front().value;
  }

  [[nodiscard]] std::size_t size() const { return index_.size(); }

  // Drops every value that is not busy.
  void clear() {
    while (drop_one()) {
    }
  }

 private:
  struct Item {
    explicit Item(std::string n) : name(std::move(n)) {}
    std::string name;
    V value;
  };
  using Order = std::list<Item>;

  bool drop_one() {
    for (auto item = order_.end(); item != order_.begin();) {
      --item;
      if (item->value.is_busy()) continue;
      index_.erase(item->name);
      order_.erase(item);
      return true;
    }
    return false;
  }

  std::size_t limit_;
  Order order_;
  std::unordered_map<std::string_view, typename Order::iterator> index_;
};

// What can hang together: the homes of one owner, a table, a next hop, the name services.
using Lane = std::uint64_t;
enum class LaneKind : std::uint8_t { password_file, name_service, owner, table, next_hop };
// `which` is an id, or a hash: two that collide share the places of a lane.
constexpr Lane lane_of(LaneKind kind, std::uint64_t which) {
  constexpr unsigned kBits = 56;
  return static_cast<Lane>(kind) << kBits | (which & ((Lane{1} << kBits) - 1));
}

// One answer: how old it is, and which decisions wait for it.
struct PendingLookup : rcpt::PendingLookup {
  static constexpr std::int64_t kNever = INT64_MIN / 2;

  std::int64_t at_us = kNever;  // when the question was asked that gave the answer
  bool asking = false;
  std::optional<Error> error;          // why there is no answer
  std::vector<std::uint32_t> waiting;  // parked decisions, by number
  Lane lane = 0;

  [[nodiscard]] bool is_busy() const { return asking || !waiting.empty(); }
};

// What all look-ups of one verifier share: the query that is being decided, and the agents.
class PendingLookups {
 public:
  // A look-up that timed out is not repeated for this long: queries about a home that hangs are
  // undecided at once, and the agents stay free for others.
  static constexpr std::int64_t kHoldTimeoutUs = 5000000;

  // Called with the number of each decision that is to be run again.
  using Ready = std::function<void(std::uint32_t)>;

  // `ttl_us`: the time to live.  REQUIRES: `loop` and `pool` outlive this object.
  PendingLookups(event::Loop& loop, agent::Pool& pool, std::int64_t ttl_us, Ready ready)
      : loop_(loop), pool_(pool), ttl_us_(ttl_us), ready_(std::move(ready)) {}

  // Look-ups from here on are for a query that came in at this moment.
  void begin(std::int64_t asked_at_us) { asked_at_us_ = asked_at_us; }

  // May the current query use it?
  [[nodiscard]] bool is_fresh(const PendingLookup& lookup) const {
    const bool slow = lookup.error && lookup.error->errnum == ETIMEDOUT;
    const std::int64_t ttl = slow && ttl_us_ < kHoldTimeoutUs ? kHoldTimeoutUs : ttl_us_;
    return lookup.at_us >= asked_at_us_ - ttl;
  }
  void set_fresh(PendingLookup& lookup) const { lookup.at_us = asked_at_us_; }

  // The current query has to wait for it.
  void wait_for(PendingLookup& lookup) { waits_for_ = &lookup; }
  // What the current query waits for.  REQUIRES: a look-up for it has answered Look::pending.
  [[nodiscard]] PendingLookup* waits_for() const { return waits_for_; }

  // Asks an agent unless that is under way.  `store` stores the reply beside `lookup`, or returns
  // the Error to remember.  REQUIRES: `lookup` outlives the question (is_busy()).
  template <class Store>
  void ask(PendingLookup& lookup, const agent::Request& request, Store store) {
    if (lookup.asking) return;
    lookup.asking = true;
    const std::int64_t now = loop_.now_us();
    pool_.ask(request, [this, &lookup, now, store](Result<agent::Reply> reply) {
      settle(lookup, now, reply.ok() ? store(std::move(reply).value()) : reply.error());
    });
  }

  // The look-up has ended: its answer, as old as `at_us`, is stored, or there is an Error.  Runs
  // the waiting decisions again.
  void settle(PendingLookup& lookup, std::int64_t at_us, const Result<void>& stored) {
    lookup.asking = false;
    lookup.at_us = at_us;
    lookup.error.reset();
    if (!stored.ok()) lookup.error = stored.error();
    // A decision that is run again may wait for the same look-up again, or be the last to need it.
    for (const std::uint32_t number : std::exchange(lookup.waiting, {})) ready_(number);
  }

  [[nodiscard]] std::int64_t ttl_us() const { return ttl_us_; }

 private:
  event::Loop& loop_;
  agent::Pool& pool_;
  std::int64_t ttl_us_;
  Ready ready_;
  std::int64_t asked_at_us_ = 0;
  PendingLookup* waits_for_ = nullptr;
};

// The answers of one kind, by key.
template <class V>
class CachedLookup {
 public:
  struct Entry : PendingLookup {
    V value;
  };

  // REQUIRES: `lookups` outlives this object.
  CachedLookup(PendingLookups& lookups, std::size_t limit) : lookups_(lookups), entries_(limit) {}

  // The answer for `key`; nullptr: the current query has to wait for it; Error: there is none.
  // The pointer is valid until the next find().  `start(entry)` asks the question where that is
  // needed; it never settles it at once, and returns an Error if it cannot be asked.
  // REQUIRES: a key has the same lane each time.
  template <class Start>
  [[nodiscard]] Result<const V*> find(std::string_view key, Lane lane, Start start) {
    Entry* entry = entries_.find(key);
    if (entry == nullptr) {
      entry = &entries_.add(key);
      entry->lane = lane;
    }
    if (!lookups_.is_fresh(*entry)) {
      if (!entry->asking) QV_TRY_VOID(start(*entry));
      entry->asking = true;
      lookups_.wait_for(*entry);
      return nullptr;
    }
    if (entry->error) return *entry->error;
    return &entry->value;
  }

  // The same, asked of an agent: `make(entry)` returns the Result<agent::Request>; `store(reply,
  // value)` stores the reply, or returns the Error to remember.
  template <class Make, class Store>
  [[nodiscard]] Result<const V*> find_by_agent(std::string_view key, Lane lane, Make make,
                                               Store store) {
    return find(key, lane, [&](Entry& entry) -> Result<void> {
      QV_TRY(const agent::Request request, make(entry));
      lookups_.ask(entry, request, [&entry, store](agent::Reply reply) {
        return store(std::move(reply), entry.value);
      });
      return {};
    });
  }
  // The reply is the value.
  template <class Make>
  [[nodiscard]] Result<const V*> find_by_agent(std::string_view key, Lane lane, Make make) {
    return find_by_agent(key, lane, make, [](agent::Reply reply, V& value) -> Result<void> {
      value = std::move(reply);
      return {};
    });
  }

  // The answer if it is there, nullptr otherwise.
  [[nodiscard]] const V* known(std::string_view key) {
    const Entry* entry = entries_.find(key);
    const bool usable = entry != nullptr && lookups_.is_fresh(*entry) && !entry->error;
    return usable ? &entry->value : nullptr;
  }

  // Forgets everything that no query waits for.
  void forget() { entries_.clear(); }

 private:
  PendingLookups& lookups_;
  LruCache<Entry> entries_;
};

}  // namespace qv::verify

#endif  // QV_VERIFY_CACHED_LOOKUP_H_
