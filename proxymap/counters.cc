// SPDX-License-Identifier: 0BSD
#include "proxymap/counters.h"

namespace qv::proxymap {

void Counters::count(Operation operation) {
  switch (operation) {
    case Operation::open:
      ++opens;
      break;
    case Operation::lookup:
      ++lookups;
      break;
    case Operation::update:
      ++updates;
      break;
    case Operation::erase:
      ++deletes;
      break;
    case Operation::sequence:
      ++sequences;
      break;
  }
}

void Counters::count(Status status) {
  switch (status) {
    case Status::ok:
      ++ok;
      break;
    case Status::no_key:
      ++no_key;
      break;
    case Status::retry:
      ++retry;
      break;
    case Status::bad:
      ++bad;
      break;
    case Status::deny:
      ++deny;
      break;
    case Status::config:
      ++config;
      break;
  }
}

}  // namespace qv::proxymap
