// emu/kernel/path.hpp: a kernel path: code that reads from top to bottom and can be suspended between two steps.
//
// A Path is a coroutine. `co_await kernel.step(task, Step::text_restored, address)` says that an atomic action has just
// happened; if the scheduler wants another task now, the path stays suspended there until the task is chosen again.
// `co_await kernel.sleep_on(...)` suspends until somebody wakes the task. A path that is never suspended runs like a
// plain function, inside the engine's trap callback, and costs a few nanoseconds for its frame.
//
// A Path starts when it is awaited, or when the machine resumes a task's root path. Nothing here throws.
#pragma once

#include "emu/snapshot/arena.hpp"

#include <array>
#include <coroutine>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <utility>

namespace trapline {

/// Frames of finished coroutines, kept for reuse by size: a hit takes and returns several. In an arena they come from
/// there: a frame that a snapshot puts back must not lie in these lists.
class FramePool {
  public:
    static void* take(std::size_t n) {
        if (Arena::active()) return Arena::allocate(n);
        const std::size_t c = n / kGrain;
        if (c < lists().size() && lists()[c] != nullptr) return std::exchange(lists()[c], lists()[c]->next);
        return ::operator new((c + 1) * kGrain);
    }
    static void give(void* p, std::size_t n) {
        if (Arena::owns(p)) return Arena::release(p);
        const std::size_t c = n / kGrain;
        if (c >= lists().size()) return ::operator delete(p);
        lists()[c] = ::new (p) Free{lists()[c]};
    }

  private:
    struct Free {
        Free* next;
    };
    static constexpr std::size_t kGrain = 64;
    static std::array<Free*, 32>& lists() {
        static thread_local std::array<Free*, 32> l{};
        return l;
    }
};

template <class T> class Path;

namespace detail {
struct PromiseBase {
    std::coroutine_handle<> continuation;
    static void* operator new(std::size_t n) { return FramePool::take(n); }
    static void operator delete(void* p, std::size_t n) { FramePool::give(p, n); }
    static std::suspend_always initial_suspend() noexcept { return {}; }
    struct Final {
        [[nodiscard]] bool await_ready() const noexcept { return false; }
        template <class P> std::coroutine_handle<> await_suspend(std::coroutine_handle<P> h) const noexcept {
            std::coroutine_handle<> c = h.promise().continuation;
            return c ? c : std::noop_coroutine();
        }
        void await_resume() const noexcept {}
    };
    static Final final_suspend() noexcept { return {}; }
    [[noreturn]] static void unhandled_exception() noexcept { std::terminate(); }
};
template <class T> struct Promise : PromiseBase {
    T value{};
    Path<T> get_return_object();
    void return_value(T v) { value = std::move(v); }
};
template <> struct Promise<void> : PromiseBase {
    Path<void> get_return_object();
    void return_void() {}
};
} // namespace detail

template <class T = void> class [[nodiscard]] Path {
  public:
    using promise_type = detail::Promise<T>;
    Path() = default;
    explicit Path(std::coroutine_handle<promise_type> h) : handle_(h) {}
    Path(Path&& o) noexcept : handle_(std::exchange(o.handle_, nullptr)) {}
    Path& operator=(Path&& o) noexcept {
        if (this != &o) {
            if (handle_) handle_.destroy();
            handle_ = std::exchange(o.handle_, nullptr);
        }
        return *this;
    }
    ~Path() {
        if (handle_) handle_.destroy();
    }

    // Awaiting runs the path to its end, or suspends with it.
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) noexcept {
        handle_.promise().continuation = caller;
        return handle_;
    }
    T await_resume() {
        if constexpr (!std::is_void_v<T>) return std::move(handle_.promise().value);
    }

    [[nodiscard]] bool valid() const { return static_cast<bool>(handle_); }
    [[nodiscard]] bool done() const { return handle_ && handle_.done(); }
    [[nodiscard]] std::coroutine_handle<> handle() const { return handle_; }
    /// The result of a root path that is done.
    [[nodiscard]] T result() const
        requires(!std::is_void_v<T>)
    {
        return handle_.promise().value;
    }

  private:
    std::coroutine_handle<promise_type> handle_;
};

template <class T> Path<T> detail::Promise<T>::get_return_object() {
    return Path<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Path<void> detail::Promise<void>::get_return_object() {
    return Path<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

} // namespace trapline
