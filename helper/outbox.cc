// SPDX-License-Identifier: 0BSD
#include "helper/outbox.h"

#include <utility>

namespace qv::helper {

void Outbox::put(Callback callback, Result<Reply> result) {
  finished_.push_back({std::move(callback), std::move(result)});
}

void Outbox::deliver() {
  std::list<Finished> now;
  now.swap(finished_);
  const std::weak_ptr<char> here = here_;
  for (Finished& one : now) {
    one.callback(std::move(one.result));
    if (here.expired()) return;
  }
}

void Outbox::deliver_soon() {
  if (finished_.empty() || soon_ != nullptr) return;
  soon_ = loop_.after(0, [this] {
    soon_.reset();
    deliver();
  });
}

}  // namespace qv::helper
