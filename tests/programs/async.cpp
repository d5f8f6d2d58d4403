// What C++ has for threads that wait for each other, as sync.c has pthreads': `async KIND` prints one line.
#include <atomic>
#include <barrier>
#include <condition_variable>
#include <cstdio>
#include <future>
#include <latch>
#include <mutex>
#include <semaphore>
#include <shared_mutex>
#include <string_view>
#include <thread>
#include <vector>

namespace {

long tasks() {
    std::vector<std::future<long>> results;
    for (long i = 0; i < 8; ++i) results.push_back(std::async(std::launch::async, [i] { return i * i; }));
    long sum = 0;
    for (auto& result : results) sum += result.get();
    try {
        std::async(std::launch::async, []() -> long { throw 100L; }).get();
    } catch (long thrown) {
        sum += thrown;
    }
    return sum;
}

long promises() {
    std::promise<long> question;
    std::shared_future<long> answer = question.get_future().share();
    std::atomic<long> sum = 0;
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 4; ++i) threads.emplace_back([&, answer] { sum += answer.get(); });
        question.set_value(7);
    }
    return sum;
}

long atomics() {
    std::atomic<long> turn = 0;
    std::vector<std::jthread> threads;
    for (long i = 0; i < 4; ++i)
        threads.emplace_back([&, i] {
            for (long round = 0; round < 10; ++round) {
                for (long now = turn; now != round * 4 + i; now = turn) turn.wait(now);
                ++turn;
                turn.notify_all();
            }
        });
    threads.clear();
    return turn;
}

long latches() {
    std::latch all(4);
    std::barrier meeting(4);
    std::counting_semaphore<2> two(2);
    std::shared_mutex shared;
    std::atomic<long> inside = 0, most = 0;
    long sum = 0;
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            all.arrive_and_wait();
            for (int round = 0; round < 10; ++round) {
                two.acquire();
                if (++inside > 2) most = 1000;
                --inside;
                two.release();
                {
                    std::unique_lock held(shared);
                    ++sum;
                }
                {
                    std::shared_lock held(shared);
                    if (sum == 0) most = 1000;
                }
                meeting.arrive_and_wait();
            }
        });
    threads.clear();
    return sum + most;
}

} // namespace

int main(int count, char** words) {
    const struct {
        std::string_view name;
        long (*run)();
    } kinds[] = {{"tasks", tasks}, {"promises", promises}, {"atomics", atomics}, {"latches", latches}};
    for (const auto& kind : kinds) {
        if (count < 2) std::printf("%s\n", kind.name.data());
        if (count == 2 && kind.name == words[1]) std::printf("%s %ld\n", words[1], kind.run());
    }
}
