#pragma once
#include "proto/unit_cutter.h"

namespace weir::http_stream {

/// Passes bytes on as they come: for media that weir does not take apart. Without units, without times.
class OpaqueCutter final : public UnitCutter {
public:
    explicit OpaqueCutter(std::uint32_t epoch) : epoch_(epoch) {}

    void begin_unit(std::uint64_t, std::uint32_t, Micros, Micros, Micros) override {}
    Result<> feed(const Bytes& piece, SteadyTime arrival, std::vector<Item>& out) override;
    Result<> end_unit(std::vector<Item>&) override { return {}; }
    void abandon_unit(std::vector<Item>&) override {}
    void rebase(Micros) override {}
    void set_offset(Micros) override {}
    [[nodiscard]] std::optional<Micros> offset() const override { return std::nullopt; }
    void new_epoch() override {}
    Result<> set_header(const Bytes&) override { return Error{Errc::unsupported, "these bytes have no header apart"}; }
    [[nodiscard]] std::optional<Micros> unit_start() const override { return std::nullopt; }
    [[nodiscard]] std::optional<Micros> last_dts() const override { return std::nullopt; }
    [[nodiscard]] const InitPtr& init() const override { return init_; }
    [[nodiscard]] bool unit_has_chunk() const override { return init_ != nullptr; }

private:
    std::uint32_t epoch_;
    InitPtr init_;
};

}  // namespace weir::http_stream
