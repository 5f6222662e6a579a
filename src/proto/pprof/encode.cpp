
#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <protozero/pbf_writer.hpp>
#include <tuple>

#include "base/gzip.h"
#include "proto/pprof/profile.h"

namespace weir::pprof {
namespace {

namespace field {  // telemetry.md 6
enum Profile : protozero::pbf_tag_type {
    sample_type = 1,
    sample,
    mapping,
    location,
    function,
    string_table,
    time_nanos = 9,
    duration_nanos,
    period_type,
    period,
    default_sample_type = 14
};
}  // namespace field

/// The message under construction: everything that is named by a number is written once.
class Message {
public:
    Message(const Profile& profile, const Symbols& symbols) : profile_(profile), symbols_(symbols), out_(buffer_) {
        text(std::string());
    }

    std::string finish() && {
        for (const auto& type : profile_.sample_types) value_type(field::sample_type, type);
        about_.resize(profile_.mappings.size());
        for (const auto& sample : profile_.samples) add(sample);
        for (std::size_t i = 0; i < profile_.mappings.size(); ++i) add_mapping(i);
        if (profile_.at != WallTime{})
            out_.add_int64(
                field::time_nanos,
                std::chrono::duration_cast<std::chrono::nanoseconds>(profile_.at.time_since_epoch()).count());
        if (profile_.duration.count() > 0)
            out_.add_int64(field::duration_nanos, std::chrono::nanoseconds(profile_.duration).count());
        if (!profile_.period_type.type.empty()) value_type(field::period_type, profile_.period_type);
        if (profile_.period) out_.add_int64(field::period, profile_.period);
        if (!profile_.default_type.empty()) out_.add_int64(field::default_sample_type, text(profile_.default_type));
        for (const auto* each : order_) out_.add_string(field::string_table, *each);
        return std::move(buffer_);
    }

private:
    struct About {  ///< what is known of a mapping's addresses
        bool functions = false, files = false, lines = false;
    };

    std::int64_t text(const std::string& value) {
        const auto [at, fresh] = strings_.emplace(value, static_cast<std::int64_t>(order_.size()));
        if (fresh) order_.push_back(&at->first);
        return at->second;
    }

    void value_type(field::Profile tag, const ValueType& type) {
        const auto name = text(type.type), unit = text(type.unit);
        protozero::pbf_writer w(out_, tag);
        if (name) w.add_int64(1, name);
        if (unit) w.add_int64(2, unit);
    }

    void add(const Sample& sample) {
        std::vector<std::uint64_t> locations;
        locations.reserve(sample.stack.size());
        for (std::size_t i = 0; i < sample.stack.size(); ++i)
            locations.push_back(location(call_address(sample.stack[i], i == 0)));
        std::vector<std::array<std::int64_t, 3>> labels;  // key, text, number
        for (const auto& [key, value] : sample.texts) labels.push_back({text(key), text(value), 0});
        for (const auto& [key, value] : sample.numbers) labels.push_back({text(key), 0, value});
        protozero::pbf_writer w(out_, field::sample);
        w.add_packed_uint64(1, locations.begin(), locations.end());
        w.add_packed_int64(2, sample.values.begin(), sample.values.end());
        for (const auto& [key, value, number] : labels) {
            protozero::pbf_writer label(w, 3);
            label.add_int64(1, key);
            if (value) label.add_int64(2, value);
            if (number) label.add_int64(3, number);
        }
    }

    std::size_t mapping_of(std::uint64_t address) const {
        const auto& all = profile_.mappings;
        const auto found = std::find_if(all.begin(), all.end(),
                                        [&](const Mapping& m) { return m.start <= address && address < m.limit; });
        return static_cast<std::size_t>(found - all.begin());
    }

    std::uint64_t location(std::uint64_t address) {
        const auto [at, fresh] = locations_.emplace(address, locations_.size() + 1);
        if (!fresh) return at->second;
        const auto mapping = mapping_of(address);
        std::vector<std::pair<std::uint64_t, std::int64_t>> lines;
        if (const auto found = symbols_.find(address); found != symbols_.end())
            for (const auto& frame : found->second) {
                lines.emplace_back(function(frame), frame.line);
                if (mapping < about_.size()) note(about_[mapping], frame);
            }
        protozero::pbf_writer w(out_, field::location);
        w.add_uint64(1, at->second);
        if (mapping < about_.size()) w.add_uint64(2, mapping + 1);
        w.add_uint64(3, address);
        for (const auto& [id, number] : lines) {
            protozero::pbf_writer line(w, 4);
            line.add_uint64(1, id);
            if (number) line.add_int64(2, number);
        }
        return at->second;
    }

    static void note(About& about, const Frame& frame) {
        about.functions = true;
        about.files |= !frame.file.empty();
        about.lines |= frame.line != 0;
    }

    std::uint64_t function(const Frame& frame) {
        const auto [at, fresh] =
            functions_.emplace(std::tuple(frame.function, frame.system_name, frame.file), functions_.size() + 1);
        if (!fresh) return at->second;
        const auto name = text(frame.function);
        const auto system_name = text(frame.system_name.empty() ? frame.function : frame.system_name);
        const auto file = text(frame.file);
        protozero::pbf_writer w(out_, field::function);
        w.add_uint64(1, at->second);
        w.add_int64(2, name);
        w.add_int64(3, system_name);
        if (file) w.add_int64(4, file);
        return at->second;
    }

    void add_mapping(std::size_t index) {
        const auto& m = profile_.mappings[index];
        const auto& about = about_[index];
        const auto file = text(m.file), build_id = text(m.build_id);
        protozero::pbf_writer w(out_, field::mapping);
        w.add_uint64(1, index + 1);
        w.add_uint64(2, m.start);
        w.add_uint64(3, m.limit);
        if (m.offset) w.add_uint64(4, m.offset);
        if (file) w.add_int64(5, file);
        if (build_id) w.add_int64(6, build_id);
        if (about.functions) w.add_bool(7, true);
        if (about.files) w.add_bool(8, true);
        if (about.lines) {  // who knows the lines has looked for inlined functions too
            w.add_bool(9, true);
            w.add_bool(10, true);
        }
    }

    const Profile& profile_;
    const Symbols& symbols_;
    std::string buffer_;
    protozero::pbf_writer out_;
    std::map<std::string, std::int64_t> strings_;
    std::vector<const std::string*> order_;
    std::map<std::uint64_t, std::uint64_t> locations_;
    std::map<std::tuple<std::string, std::string, std::string>, std::uint64_t> functions_;
    std::vector<About> about_;
};

}  // namespace

std::string encode(const Profile& profile, const Symbols& symbols) {
    return gzipped(Message(profile, symbols).finish());
}

}  // namespace weir::pprof
