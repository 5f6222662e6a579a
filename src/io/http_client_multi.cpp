#include "io/http_client_multi.h"

#include <curl/curl.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/time.h"

namespace weir::http_detail {
namespace {

constexpr std::size_t max_spare = 16;
constexpr long max_idle_connections = 128;

/// One socket of libcurl's that we wait on. The descriptor stays libcurl's: it is released, never closed.
struct Watch {
    Watch(const asio::any_io_executor& ex, int fd_) : descriptor(ex, fd_), fd(fd_) {}
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    ~Watch() { let_go(); }
    void let_go() {
        if (!std::exchange(gone, true)) descriptor.release();
    }
    asio::posix::stream_descriptor descriptor;
    int fd;
    int wanted = 0;   // CURL_CSELECT_ bits
    int waiting = 0;  // those with an async_wait under way
    bool gone = false;
};

class AsioMulti final : public CurlMulti, public std::enable_shared_from_this<AsioMulti> {
public:
    AsioMulti(asio::any_io_executor executor, int per_host) : executor_(std::move(executor)), timer_(executor_) {
        static std::once_flag once;
        std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
        multi_ = curl_multi_init();
        WEIR_ASSERT(multi_ != nullptr);
        curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &AsioMulti::on_socket);
        curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
        curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &AsioMulti::on_timer);
        curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
        curl_multi_setopt(multi_, CURLMOPT_MAX_HOST_CONNECTIONS, static_cast<long>(per_host));
        curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, max_idle_connections);
    }
    AsioMulti(const AsioMulti&) = delete;
    AsioMulti& operator=(const AsioMulti&) = delete;
    ~AsioMulti() override { close(); }

    void* take_easy() override {
        if (spare_.empty()) return curl_easy_init();
        CURL* easy = spare_.back();
        spare_.pop_back();
        return easy;
    }

    void give_back(void* easy) override {
        if (!multi_ || spare_.size() >= max_spare) return curl_easy_cleanup(easy);
        curl_easy_reset(easy);
        spare_.push_back(easy);
    }

    bool add(void* easy, TransferEnd& end) override {
        if (!multi_) return false;
        if (curl_multi_add_handle(multi_, easy) != CURLM_OK) return false;
        running_.emplace(easy, &end);
        return true;
    }

    void remove(void* easy) override {
        if (running_.erase(easy) != 0) curl_multi_remove_handle(multi_, easy);
    }

    void close() override {
        if (!multi_) return;
        while (!running_.empty()) {
            const auto [easy, end] = *running_.begin();
            remove(easy);
            end->finished(TransferEnd::closed);
        }
        for (CURL* easy : spare_) curl_easy_cleanup(easy);
        spare_.clear();
        curl_multi_cleanup(std::exchange(multi_, nullptr));  // says goodbye to each socket through on_socket
        for (auto& [fd, watch] : watches_) watch->let_go();
        watches_.clear();
        timer_.cancel();
    }

    const asio::any_io_executor& executor() const noexcept override { return executor_; }
    std::size_t running() const noexcept override { return running_.size(); }

private:
    static int on_socket(CURL*, curl_socket_t fd, int what, void* self, void*) {
        static_cast<AsioMulti*>(self)->watch(fd, what);
        return 0;
    }

    void watch(int fd, int what) {
        const auto found = watches_.find(fd);
        if (what == CURL_POLL_REMOVE) {
            if (found == watches_.end()) return;
            found->second->let_go();
            watches_.erase(found);
            return;
        }
        if (!multi_) return;
        auto& entry = found == watches_.end() ? watches_[fd] : found->second;
        if (!entry) entry = std::make_shared<Watch>(executor_, fd);
        entry->wanted = 0;
        if (what == CURL_POLL_IN || what == CURL_POLL_INOUT) entry->wanted |= CURL_CSELECT_IN;
        if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT) entry->wanted |= CURL_CSELECT_OUT;
        arm(entry);
    }

    void arm(const std::shared_ptr<Watch>& entry) {
        for (const int bit : {CURL_CSELECT_IN, CURL_CSELECT_OUT}) {
            if (!(entry->wanted & bit) || (entry->waiting & bit)) continue;
            entry->waiting |= bit;
            const auto kind = bit == CURL_CSELECT_IN ? asio::posix::descriptor_base::wait_read
                                                     : asio::posix::descriptor_base::wait_write;
            entry->descriptor.async_wait(kind,
                                         [weak = weak_from_this(), entry, bit](const boost::system::error_code& ec) {
                                             entry->waiting &= ~bit;
                                             const auto self = weak.lock();
                                             if (!self || entry->gone || !(entry->wanted & bit)) return;
                                             self->drive(entry->fd, ec ? bit | CURL_CSELECT_ERR : bit);
                                             if (!entry->gone) self->arm(entry);
                                         });
        }
    }

    static int on_timer(CURLM*, long after_ms, void* raw) {
        static_cast<AsioMulti*>(raw)->call_me(after_ms);
        return 0;
    }

    /// libcurl moves its alarm with nearly every packet. Ours is set anew only to an earlier time; one that rings too
    /// early goes on sleeping. That saves a system call a packet.
    void call_me(long after_ms) {
        ++timer_turn_;
        due_.reset();
        if (after_ms < 0 || !multi_) return;
        if (after_ms == 0) {
            asio::post(executor_, [weak = weak_from_this(), turn = timer_turn_] {
                if (const auto alive = weak.lock(); alive && alive->timer_turn_ == turn)
                    alive->drive(CURL_SOCKET_TIMEOUT, 0);
            });
            return;
        }
        due_ = SteadyTime::clock::now() + std::chrono::milliseconds(after_ms);
        if (!armed_ || *due_ < *armed_) sleep_until(*due_);
    }

    void sleep_until(SteadyTime when) {
        armed_ = when;
        timer_.expires_at(when);
        timer_.async_wait([weak = weak_from_this(), when](const boost::system::error_code& ec) {
            const auto alive = weak.lock();
            if (!alive || ec || alive->armed_ != when) return;
            alive->armed_.reset();
            if (!alive->due_) return;
            if (*alive->due_ > SteadyTime::clock::now()) return alive->sleep_until(*alive->due_);
            alive->due_.reset();
            alive->drive(CURL_SOCKET_TIMEOUT, 0);
        });
    }

    void drive(curl_socket_t fd, int events) {
        if (!multi_) return;
        int ignored = 0;
        curl_multi_socket_action(multi_, fd, events, &ignored);
        int left = 0;
        while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
            if (message->msg != CURLMSG_DONE) continue;
            CURL* const easy = message->easy_handle;
            const auto code = message->data.result;
            const auto found = running_.find(easy);
            if (found == running_.end()) continue;
            auto* const end = found->second;
            remove(easy);
            end->finished(code);
        }
    }

    asio::any_io_executor executor_;
    asio::steady_timer timer_;
    std::optional<SteadyTime> due_;    // when libcurl wants to be called
    std::optional<SteadyTime> armed_;  // when timer_ rings: never later than due_
    std::uint64_t timer_turn_ = 0;
    CURLM* multi_ = nullptr;
    std::map<int, std::shared_ptr<Watch>> watches_;
    std::map<void*, TransferEnd*> running_;
    std::vector<CURL*> spare_;
};

}  // namespace

std::shared_ptr<CurlMulti> CurlMulti::create(asio::any_io_executor executor, int max_connections_per_host) {
    return std::make_shared<AsioMulti>(std::move(executor), max_connections_per_host);
}

}  // namespace weir::http_detail
