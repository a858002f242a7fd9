// SPDX-License-Identifier: 0BSD
#include "helper/queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace qv::helper {

namespace {

std::uint64_t lane_of(const Request& request) {
  constexpr std::uint64_t kHomes = std::uint64_t{1} << 32;
  switch (request.op) {
    case Op::passwd_index:
      return 0;
    case Op::passwd_user:
      return 1;
    case Op::home_index:
    case Op::home_file:
    case Op::home_table:
      return kHomes | request.uid;
  }
  return 0;
}

}  // namespace

void Queue::add_last(AskedOne one) {
  ++lanes_[lane_of(one.front().request)].waiting;
  waiting_.splice(waiting_.end(), one);
}

void Queue::add_first(AskedOne one) {
  ++lanes_[lane_of(one.front().request)].waiting;
  waiting_.splice(waiting_.begin(), one);
}

void Queue::forget_if_empty(std::uint64_t lane) {
  const auto at = lanes_.find(lane);
  if (at->second.waiting == 0 && at->second.with_workers == 0) lanes_.erase(at);
}

AskedOne Queue::take(std::list<Asked>::iterator at) {
  const std::uint64_t lane = lane_of(at->request);
  --lanes_.find(lane)->second.waiting;
  forget_if_empty(lane);
  AskedOne one;
  one.splice(one.begin(), waiting_, at);
  return one;
}

AskedOne Queue::hand_out() {
  for (auto at = waiting_.begin(); at != waiting_.end(); ++at) {
    Lane& lane = lanes_.find(lane_of(at->request))->second;
    if (lane.with_workers >= per_lane_) continue;
    ++lane.with_workers;
    return take(at);
  }
  return {};
}

void Queue::done(const Request& request) {
  const std::uint64_t lane = lane_of(request);
  --lanes_.find(lane)->second.with_workers;
  forget_if_empty(lane);
}

std::size_t Queue::could_go() const {
  std::size_t total = 0;
  for (const auto& lane : lanes_) {
    const std::uint32_t room = per_lane_ - std::min(per_lane_, lane.second.with_workers);
    total += std::min(lane.second.waiting, room);
  }
  return total;
}

AskedOne Queue::take_excess() {
  if (waiting_.empty()) return {};
  const Lane& lane = lanes_.find(lane_of(waiting_.back().request))->second;
  const bool too_many = waiting_.size() > limit_ || lane.waiting > limit_ - limit_ / 2;
  return too_many ? take(std::prev(waiting_.end())) : AskedOne{};
}

std::list<Asked> Queue::take_due(std::int64_t now_us) {
  std::list<Asked> due;
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    const auto next = std::next(at);
    if (at->due_us <= now_us) due.splice(due.end(), take(at));
    at = next;
  }
  return due;
}

std::list<Asked> Queue::take_all() { return take_due(INT64_MAX); }

std::int64_t Queue::first_due_us() const {
  std::int64_t first_us = INT64_MAX;
  for (const Asked& asked : waiting_) first_us = std::min(first_us, asked.due_us);
  return first_us;
}

}  // namespace qv::helper
