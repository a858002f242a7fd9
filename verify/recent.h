// SPDX-License-Identifier: 0BSD
// verify/recent.h - a bounded number of things by name; the one not asked for longest goes first.
//
// V has is_busy(): a busy one is never dropped, so a Recent may hold more than its limit for as
// long as more than its limit are busy.  Pointers to values stay good until the value is dropped.
// Tests: tests/verify/recent_test.cc
#ifndef QV_VERIFY_RECENT_H_
#define QV_VERIFY_RECENT_H_

#include <cstddef>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

namespace qv {

template <class V>
class Recent {
 public:
  explicit Recent(std::size_t limit) : limit_(limit) {}

  // The value of that name, now the most recent; nullptr where there is none.
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

}  // namespace qv

#endif  // QV_VERIFY_RECENT_H_
