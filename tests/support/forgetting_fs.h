#pragma once
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "runtime/file_system.h"

namespace weir::test {

/// A disk that forgets what was not synced, fills up and breaks, over a real folder so that other programs see the same
/// files. It remembers beside each file what is durable: after cut_power() an unsynced write is there, missing or torn
/// at any byte, an unsynced name is there or not, as the seed says; then nothing works before power_on(), and files
/// opened before never again. It checks the order of our calls, not what a real disk does with them. threads  any
class ForgettingFs final : public FileSystem {
public:
    enum class Fault { none, enospc, eio, stall };
    enum class Kind { create, write, sync, truncate, rename, remove, sync_folder };

    ForgettingFs() = default;

    // ---- what tests turn

private:
    template <class F>
    auto set(F f) const {
        const std::lock_guard lock(mutex_);
        return f();
    }

public:
    /// The n-th changing call from now (1 is the next) finds the power gone while it is under way.
    void cut_at(std::uint64_t n) {
        set([&] { cut_at_ = ops_ + n; });
    }
    /// The n-th changing call from now fails; `forever`: all later ones too. A failing write leaves half of its bytes.
    void fail_at(std::uint64_t n, Fault fault, bool forever = false) {
        set([&] {
            fault_at_ = ops_ + n;
            fault_ = fault;
            fault_forever_ = forever;
        });
    }
    void heal() {
        set([&] {
            fault_at_.reset();
            space_.reset();
        });
    }
    /// The next sync of a file whose name contains `text` fails with EIO, and what it should have made durable is
    /// forgotten.
    void fail_sync_of(std::string text) {
        set([&] { fail_sync_ = std::move(text); });
    }
    void set_space(Space s) {
        set([&] { space_ = s; });
    }
    void on_stall(std::function<void()> f) {
        set([&] { stall_ = std::move(f); });
    }
    [[nodiscard]] std::uint64_t ops() const {
        return set([&] { return ops_; });
    }
    [[nodiscard]] bool is_off() const {
        return set([&] { return off_; });
    }

    /// Rewrites the folder as the disk would hold it now.
    void cut_power(std::uint64_t seed) {
        const std::lock_guard lock(mutex_);
        off_ = true;
        std::mt19937_64 random(seed);
        std::map<Path, Names> folders = durable_;
        for (auto& [folder, changes] : unsynced_names_) {
            const auto kept = changes.empty() ? 0 : random() % (changes.size() + 1);
            for (std::size_t i = 0; i < kept; ++i) changes[i](folders[folder]);
        }
        for (const auto& [folder, names] : current_)
            for (const auto& [name, node] : names) (void)real_file_system().remove(folder / name).has_value();
        std::map<Node*, std::string> contents;
        for (const auto& [folder, names] : folders) {
            for (const auto& [name, node] : names) {
                auto [it, first] = contents.try_emplace(node.get());
                if (first) it->second = after_cut(*node, random);
                write_whole(folder / name, it->second);
                node->durable = node->now = it->second;
                node->unsynced.clear();
            }
        }
        durable_ = current_ = folders;
        unsynced_names_.clear();
    }
    void power_on() {
        set([&] {
            off_ = false;
            cut_at_.reset();
            ++life_;
        });
    }
    /// What is surely on the disk of this file, for checks that older bytes never change.
    [[nodiscard]] std::optional<std::string> durable(const Path& path) const {
        const std::lock_guard lock(mutex_);
        const auto folder = durable_.find(path.parent_path());
        if (folder == durable_.end()) return std::nullopt;
        const auto node = folder->second.find(path.filename().string());
        if (node == folder->second.end()) return std::nullopt;
        return node->second->durable;
    }

    // ---- FileSystem

    Result<std::unique_ptr<File>> create(const Path& path) override {
        std::unique_lock lock(mutex_);
        if (auto r = change(Kind::create, lock); !r) return r.error();
        auto real = real_file_system().create(path);
        if (!real) return real.error();
        auto node = std::make_shared<Node>();
        const auto name = path.filename().string();
        current_[path.parent_path()][name] = node;
        unsynced_names_[path.parent_path()].push_back([name, node](Names& names) { names[name] = node; });
        return wrap(std::move(*real), node, path);
    }
    Result<std::unique_ptr<File>> open(const Path& path, bool writable) override {
        const std::lock_guard lock(mutex_);
        if (off_) return dead();
        if (path == "/proc/sys/kernel/random/boot_id") return std::unique_ptr<File>(std::make_unique<BootId>(life_));
        auto real = real_file_system().open(path, writable);
        if (!real) return real.error();
        auto& node = current_[path.parent_path()][path.filename().string()];
        if (!node) {  // made by somebody else, and durable as far as we know
            node = std::make_shared<Node>();
            node->durable = node->now = read_whole(**real);
            durable_[path.parent_path()][path.filename().string()] = node;
        }
        return wrap(std::move(*real), node, path);
    }
    Result<> make_folders(const Path& path) override { return real_file_system().make_folders(path); }
    Result<> rename(const Path& from, const Path& to) override {
        std::unique_lock lock(mutex_);
        if (auto r = change(Kind::rename, lock); !r) return r;
        if (auto r = real_file_system().rename(from, to); !r) return r;
        const auto a = from.filename().string(), b = to.filename().string();
        const auto node = current_[from.parent_path()][a];
        const auto move = [a, b, node](Names& names) {
            names.erase(a);
            names[b] = node;
        };
        move(current_[from.parent_path()]);
        unsynced_names_[from.parent_path()].push_back(move);
        return {};
    }
    Result<> remove(const Path& path) override {
        std::unique_lock lock(mutex_);
        if (auto r = change(Kind::remove, lock); !r) return r;
        if (auto r = real_file_system().remove(path); !r) return r;
        const auto name = path.filename().string();
        current_[path.parent_path()].erase(name);
        unsynced_names_[path.parent_path()].push_back([name](Names& names) { names.erase(name); });
        return {};
    }
    Result<> sync_folder(const Path& folder) override {
        std::unique_lock lock(mutex_);
        if (auto r = change(Kind::sync_folder, lock); !r) return r;
        durable_[folder] = current_[folder];
        unsynced_names_[folder].clear();
        return {};
    }
    Result<bool> exists(const Path& path) override {
        if (is_off()) return dead();
        return real_file_system().exists(path);
    }
    Result<std::uint64_t> size_of(const Path& path) override {
        if (is_off()) return dead();
        return real_file_system().size_of(path);
    }
    Result<std::vector<DirEntry>> list(const Path& folder) override {
        if (is_off()) return dead();
        return real_file_system().list(folder);
    }
    Result<Space> space(const Path& folder) override {
        const auto set_to = set([&] { return space_; });
        if (set_to) return *set_to;
        return real_file_system().space(folder);
    }

private:
    struct Change {
        bool truncation = false;
        std::uint64_t at = 0;  ///< or the new size
        std::string bytes;
    };
    struct Node {
        std::string durable, now;
        std::vector<Change> unsynced;
    };
    using Names = std::map<std::string, std::shared_ptr<Node>>;

    class Opened final : public File {
    public:
        Opened(ForgettingFs& fs, std::unique_ptr<File> real, std::shared_ptr<Node> node, std::string name)
            : fs_(fs), real_(std::move(real)), node_(std::move(node)), name_(std::move(name)), life_(fs.life_) {}

        Result<> append(std::span<const Bytes> parts) override {
            std::string all;
            for (const auto& part : parts) all += part.text();
            std::unique_lock lock(fs_.mutex_);
            const auto at = node_->now.size();
            return put(at, std::move(all), lock);
        }
        Result<> pwrite(std::uint64_t offset, std::span<const std::byte> bytes) override {
            std::unique_lock lock(fs_.mutex_);
            return put(offset, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), lock);
        }
        Result<std::size_t> pread(std::uint64_t offset, std::span<std::byte> into) override {
            {
                const std::lock_guard lock(fs_.mutex_);
                if (fs_.off_ || life_ != fs_.life_) return dead();
            }
            return real_->pread(offset, into);
        }
        Result<> sync() override {
            std::unique_lock lock(fs_.mutex_);
            if (life_ != fs_.life_) return dead();
            if (auto r = fs_.change(Kind::sync, lock); !r) return r;
            if (!fs_.fail_sync_.empty() && name_.find(fs_.fail_sync_) != std::string::npos) {
                fs_.fail_sync_.clear();
                node_->unsynced.clear();  // as Linux does: the pages are clean now, and on no disk
                forgotten_ = true;
                return Error{Errc::io, "injected", "sync"};
            }
            if (forgotten_) return {};  // a retried sync "succeeds" and brings nothing back
            node_->durable = node_->now;
            node_->unsynced.clear();
            return {};
        }
        Result<> truncate(std::uint64_t size) override {
            std::unique_lock lock(fs_.mutex_);
            if (life_ != fs_.life_) return dead();
            if (auto r = fs_.change(Kind::truncate, lock); !r) return r;
            node_->unsynced.push_back({true, size, {}});
            node_->now.resize(size);
            return real_->truncate(size);
        }
        Result<std::uint64_t> size() override {
            const std::lock_guard lock(fs_.mutex_);
            if (fs_.off_ || life_ != fs_.life_) return dead();
            return node_->now.size();
        }
        Result<> lock() override { return real_->lock(); }
        [[nodiscard]] int descriptor() const noexcept override { return real_->descriptor(); }

    private:
        Result<> put(std::uint64_t at, std::string bytes, std::unique_lock<std::mutex>& lock) {
            if (life_ != fs_.life_) return dead();
            const bool was_off = fs_.off_;
            const auto allowed = fs_.change(Kind::write, lock);
            if (was_off) return allowed;
            if (!allowed && !fs_.off_)
                bytes.resize(bytes.size() / 2);  // an injected error tears; a power cut decides later
            if (node_->now.size() < at + bytes.size()) node_->now.resize(at + bytes.size());
            node_->now.replace(at, bytes.size(), bytes);
            node_->unsynced.push_back({false, at, bytes});
            if (auto r = real_->pwrite(at, std::as_bytes(std::span(bytes))); !r) return r;
            return allowed;
        }
        ForgettingFs& fs_;
        std::unique_ptr<File> real_;
        std::shared_ptr<Node> node_;
        std::string name_;
        std::uint64_t life_;
        bool forgotten_ = false;
    };

    /// The kernel's name for each life between two power cuts.
    class BootId final : public File {
    public:
        explicit BootId(std::uint64_t life) : text_(std::to_string(life)) { text_.resize(36, '-'); }
        Result<> append(std::span<const Bytes>) override { return dead(); }
        Result<> pwrite(std::uint64_t, std::span<const std::byte>) override { return dead(); }
        Result<std::size_t> pread(std::uint64_t, std::span<std::byte> into) override {
            std::memcpy(into.data(), text_.data(), std::min(into.size(), text_.size()));
            return std::min(into.size(), text_.size());
        }
        Result<> sync() override { return {}; }
        Result<> truncate(std::uint64_t) override { return dead(); }
        Result<std::uint64_t> size() override { return text_.size(); }
        Result<> lock() override { return {}; }
        [[nodiscard]] int descriptor() const noexcept override { return -1; }

    private:
        std::string text_;
    };

    static Error dead() { return {Errc::io, "the power is off"}; }

    /// Counts a changing call, and says whether it may happen. Called with the lock held.
    Result<> change(Kind kind, std::unique_lock<std::mutex>& lock) {
        if (off_) return dead();
        ++ops_;
        if (cut_at_ && ops_ >= *cut_at_) {
            off_ = true;
            return dead();
        }
        if (!fault_at_ || ops_ < *fault_at_) return {};
        const auto fault = fault_;
        if (!fault_forever_) fault_at_.reset();
        switch (fault) {
            case Fault::none:
                return {};
            case Fault::enospc:
                if (kind != Kind::create && kind != Kind::write) return {};
                return Error{Errc::no_space, "injected: no space left on device"};
            case Fault::eio:
                return Error{Errc::io, "injected: input/output error"};
            case Fault::stall:
                if (stall_) {
                    lock.unlock();
                    stall_();
                    lock.lock();
                }
                return {};
        }
        return {};
    }

    static std::string after_cut(const Node& node, std::mt19937_64& random) {
        std::string out = node.durable;
        for (const auto& c : node.unsynced) {
            const auto fate = random() % 3;
            if (fate == 0) continue;
            if (c.truncation) {
                out.resize(c.at);
                continue;
            }
            const auto n = fate == 1 || c.bytes.empty() ? c.bytes.size() : random() % c.bytes.size();
            if (out.size() < c.at + n) out.resize(c.at + n, '\0');
            out.replace(c.at, n, c.bytes, 0, n);
        }
        return out;
    }
    static void write_whole(const Path& path, const std::string& content) {
        auto file = real_file_system().create(path);
        if (file) (void)(*file)->pwrite(0, std::as_bytes(std::span(content))).has_value();
    }
    static std::string read_whole(File& file) {
        std::string out;
        std::vector<std::byte> buffer(65536);
        while (true) {
            auto got = file.pread(out.size(), buffer);
            if (!got || *got == 0) return out;
            out.append(reinterpret_cast<const char*>(buffer.data()), *got);
        }
    }
    std::unique_ptr<File> wrap(std::unique_ptr<File> real, std::shared_ptr<Node> node, const Path& path) {
        return std::make_unique<Opened>(*this, std::move(real), std::move(node), path.filename().string());
    }
    mutable std::mutex mutex_;
    std::uint64_t ops_ = 0, life_ = 0;
    std::optional<std::uint64_t> cut_at_, fault_at_;
    Fault fault_ = Fault::none;
    bool fault_forever_ = false, off_ = false;
    std::string fail_sync_;
    std::optional<Space> space_;
    std::function<void()> stall_;
    std::map<Path, Names> current_, durable_;
    std::map<Path, std::vector<std::function<void(Names&)>>> unsynced_names_;
};

}  // namespace weir::test
