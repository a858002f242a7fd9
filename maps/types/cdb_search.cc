// SPDX-License-Identifier: 0BSD
#include "maps/types/cdb_search.h"

#include <utility>

#include "maps/types/memory_table.h"

namespace qv {

namespace {

class CdbSearchMap final : public Map {
 public:
  CdbSearchMap(CdbTable table, CdbSearch search) : table_(std::move(table)), search_(search) {
    std::uint32_t position = 0;
    std::string_view key;
    std::string_view value;
    const Result<Answer> first = table_.file->next(position, key, value);
    empty_ = first.ok() && first.value() == Answer::absent;
  }

  Result<Answer> lookup(std::string_view key, std::string& value) override {
    return search_(*table_.file, fold_key(key), value);
  }

  // The records as they stand in the file.
  Result<Answer> sequence(Step step, std::string& key, std::string& value) override {
    if (step == Step::first) position_ = 0;
    std::string_view found_key;
    std::string_view found_value;
    QV_TRY(const Answer more, table_.file->next(position_, found_key, found_value));
    if (more == Answer::absent) return more;
    key = found_key;
    value = found_value;
    return more;
  }
  bool is_pattern() const override { return true; }
  bool is_empty() override { return empty_; }
  void sources(std::vector<SourceStamp>& out) const override { out.push_back(table_.stamp); }

 private:
  CdbTable table_;
  CdbSearch search_;
  std::uint32_t position_ = 0;
  bool empty_ = false;
};

}  // namespace

Result<std::unique_ptr<Map>> open_cdb_search(std::string_view path, CdbSearch search,
                                             std::string& detail) {
  CdbTable table;
  QV_TRY_VOID(open_cdb_table(std::string(path), table, detail));
  return std::unique_ptr<Map>(std::make_unique<CdbSearchMap>(std::move(table), search));
}

Result<Answer> find_in(const CdbFile& file, std::string_view key, std::string& value) {
  std::string_view found;
  QV_TRY(const Answer answer, file.find(key, found));
  if (answer == Answer::found) value = found;
  return answer;
}

}  // namespace qv
