// SPDX-License-Identifier: 0BSD
#include "maps/open.h"

#include <utility>

#include "core/text.h"
#include "maps/bytes.h"
#include "maps/spec.h"

namespace qv {

namespace {

// Does for every type what MapOptions asks of all: folding, and no answer from an empty table.
class OptionsMap final : public Map {
 public:
  OptionsMap(std::unique_ptr<Map> inner, const MapOptions& options)
      : inner_(std::move(inner)), options_(options) {}

  Result<Answer> lookup(std::string_view key, std::string& value) override {
    empty_ = options_.refuse_empty && inner_->is_empty();
    if (empty_) return empty_table();
    return inner_->lookup(fold(key), value);
  }
  void lookup_many(std::span<const std::string_view> keys, const Told& told) override {
    empty_ = options_.refuse_empty && inner_->is_empty();
    if (empty_ || !options_.fold_keys || inner_->is_pattern()) {
      if (!empty_) return inner_->lookup_many(keys, told);
      return Map::lookup_many(keys, told);
    }
    // Most keys are lower case as they are; what is not gets a place of its own that does not move.
    std::size_t size = 0;
    for (const std::string_view key : keys) size += key.size();
    many_.resize(size);
    char* out = many_.data();
    std::vector<std::string_view> folded(keys.begin(), keys.end());
    for (std::string_view& key : folded) {
      if (!has_upper(key)) continue;
      const char* begin = out;
      for (const char c : key) *out++ = ascii_lower(c);
      key = {begin, key.size()};
    }
    inner_->lookup_many(folded, told);
  }
  Result<Answer> update(std::string_view key, std::string_view value) override {
    empty_ = false;
    return inner_->update(fold(key), value);
  }
  Result<Answer> erase(std::string_view key) override {
    empty_ = false;
    return inner_->erase(fold(key));
  }
  Result<Answer> sequence(Step step, std::string& key, std::string& value) override {
    empty_ = false;
    return inner_->sequence(step, key, value);
  }
  bool is_pattern() const override { return inner_->is_pattern(); }
  bool is_empty() override { return inner_->is_empty(); }
  const CdbFile* cdb() const override { return inner_->cdb(); }
  void sources(std::vector<SourceStamp>& out) const override { inner_->sources(out); }
  std::string detail() const override {
    return empty_ ? "the table holds no entry" : inner_->detail();
  }

 private:
  static Error empty_table() { return {Fault::config, 0, "empty table"}; }

  std::string_view fold(std::string_view key) {
    // Patterns say themselves whether case counts.
    if (!options_.fold_keys || !has_upper(key) || inner_->is_pattern()) return key;
    folded_.resize(key.size());
    for (std::size_t i = 0; i < key.size(); ++i) folded_[i] = ascii_lower(key[i]);
    return folded_;
  }

  std::unique_ptr<Map> inner_;
  MapOptions options_;
  bool empty_ = false;
  std::string folded_;
  std::string many_;
};

class FailMap final : public Map {
 public:
  FailMap(const Error& error, std::string reason) : error_(error), reason_(std::move(reason)) {}

  Result<Answer> lookup(std::string_view /*key*/, std::string& /*value*/) override {
    return error_;
  }
  Result<Answer> update(std::string_view /*key*/, std::string_view /*value*/) override {
    return error_;
  }
  Result<Answer> erase(std::string_view /*key*/) override { return error_; }
  Result<Answer> sequence(Step /*step*/, std::string& /*key*/, std::string& /*value*/) override {
    return error_;
  }
  std::string detail() const override { return reason_; }

 private:
  Error error_;
  std::string reason_;
};

}  // namespace

// ---- what a type that does not say otherwise does ---------------------------------------------

void Map::lookup_many(std::span<const std::string_view> keys, const Told& told) {
  std::string value;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const Result<Answer> answer = lookup(keys[i], value);
    told(i, answer, value);
  }
}

Result<Answer> Map::update(std::string_view /*key*/, std::string_view /*value*/) {
  return Error{Fault::denied, 0, "this table cannot be written"};
}

Result<Answer> Map::erase(std::string_view /*key*/) {
  return Error{Fault::denied, 0, "this table cannot be written"};
}

Result<Answer> Map::sequence(Step /*step*/, std::string& /*key*/, std::string& /*value*/) {
  return Error{Fault::denied, 0, "this table cannot be listed"};
}

// ---- opening -------------------------------------------------------------------------------

Result<std::unique_ptr<Map>> open_map(std::string_view text, const MapOptions& options,
                                      std::string& detail) {
  detail.clear();
  text = strip_braces(text);
  std::string_view type_name;
  std::string_view name;
  if (!split_type(text, type_name, name)) {
    detail = "\"" + std::string(text) +
             "\" is not a table: write type:name, with a type out of: " + map_type_names();
    return Error{Fault::config, 0, "table name"};
  }
  const MapType* type = find_map_type(type_name, &detail);
  if (type == nullptr) return Error{Fault::config, 0, "table type"};
  if (options.for_update && !type->traits.writable) {
    detail = "tables of type " + std::string(type_name) + " cannot be written";
    return Error{Fault::denied, 0, "table not writable"};
  }
  MapSpec spec{std::string(type_name), std::string(name), options};
  QV_TRY(std::unique_ptr<Map> map, type->open(spec, detail));
  if (!options.fold_keys && !options.refuse_empty) return map;
  return std::unique_ptr<Map>(std::make_unique<OptionsMap>(std::move(map), options));
}

std::unique_ptr<Map> make_fail_map(const Error& error, std::string reason) {
  return std::make_unique<FailMap>(error, std::move(reason));
}

std::unique_ptr<Map> open_or_fail_map(std::string_view text, const MapOptions& options,
                                      std::string& detail) {
  Result<std::unique_ptr<Map>> map = open_map(text, options, detail);
  if (map.ok()) return std::move(map).value();
  if (detail.empty()) detail = describe_error(map.error(), {});
  return make_fail_map(map.error(), detail);
}

}  // namespace qv
