"""`trapline report` in a browser: what is on the screen is what the log says."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
import chromium  # noqa: E402
import harness  # noqa: E402

RED = (0xc4, 0x0d, 0x28)  # of a miss, on paper
PAPER = (255, 255, 255)


def read_log(path):
    with open(path) as file:
        lines = [json.loads(line) for line in file]
    return [line for line in lines if "number" in line], [line["missed"] for line in lines if "missed" in line], lines


class Pages(harness.CommandTest):
    @classmethod
    def setUpClass(cls):
        cls.browser = chromium.Browser()

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()

    def log(self, *arguments, code=0):
        path = os.path.join(self.folder, "log")
        self.expect(code, arguments[0], "--log", path, *arguments[1:])
        return path

    def race(self, strategy):
        return self.log("replay", "--strategy", strategy, self.scenario("missed-probe/two-cpus.toml"))

    def open(self, log):
        page = os.path.join(self.folder, "report.html")
        self.expect(0, "report", log, "-o", page)
        self.browser.open(page)
        self.run_script = self.browser.run
        # As on a screen without a wish for dark.
        self.run_script("document.documentElement.dataset.theme === 'dark' && document.getElementById('theme').click()")
        return self.browser

    def tearDown(self):
        self.assertEqual(self.browser.problems(), [])

    def box(self):
        return self.run_script("(() => { const r = document.getElementById('lanes').getBoundingClientRect();"
                               " return {x: r.x, y: r.y, width: r.width, height: r.height}; })()")

    def lane(self, title):
        return self.run_script(f"(() => {{ const l = report.lanes.find(l => l.title === {json.dumps(title)});"
                               " return {y: l.y, height: l.height}; })()")

    def blocks(self, row):
        """How many blocks of colour there are on a line of pixels."""
        filled = [pixel != PAPER for pixel in row]
        return sum(now and not before for before, now in zip([False] + filled, filled))

    def test_it_opens_from_a_file_without_errors_and_without_a_network(self):
        browser = self.open(self.race("inline"))
        self.assertEqual(browser.problems(), [])
        self.assertEqual([url for url in browser.requests() if not url.startswith(("file://", "data:"))], [])
        self.assertIn("1 execution missed", self.run_script("document.body.innerText"))

    def test_the_marks_on_the_screen_are_the_logs(self):
        log = self.race("inline")
        events, misses, _ = read_log(log)
        browser = self.open(log)
        self.assertEqual(self.run_script("report.records"), len(events) + len(misses))
        self.assertEqual(self.run_script("report.axis()"), "order")  # clocks disagree here
        box = self.box()
        picture = browser.picture(box)
        for cpu in (0, 1):
            lane = self.lane(f"CPU {cpu}")
            row = picture[int(lane["y"] + lane["height"] - 5)]  # near the lower edge of the boxes, below their labels
            gutter = 151
            # A missed execution's vertical line crosses the lane and is no block of its own: it is red.
            cells = [PAPER if pixel == RED else pixel for pixel in row[gutter:]]
            expected = sum(event["cpu"] == cpu for event in events)
            self.assertEqual(self.blocks([c if c != (0xd4, 0xd8, 0xdd) else PAPER for c in cells]), expected, f"CPU {cpu}")
        red = sum(pixel == RED for row in picture for pixel in row)
        self.assertGreater(red, 40)
        self.assertEqual(self.run_script("report.drawn.misses"), 2 * len(misses))  # beside the byte and on the CPU

    def test_nothing_is_red_where_nothing_was_missed(self):
        browser = self.open(self.race("xol"))
        picture = browser.picture(self.box())
        self.assertEqual(sum(pixel == RED for row in picture for pixel in row), 0)
        self.assertIn("No execution was missed", self.run_script("document.body.innerText"))

    def test_a_click_on_an_event_shows_what_is_known_about_it(self):
        log = self.race("inline")
        events, misses, _ = read_log(log)
        browser, box = self.open(log), self.box()
        for event in events:
            lane = self.lane("CPU %d" % event["cpu"] if event["cpu"] >= 0 else "no CPU")
            index = event["number"] - 1 + sum(miss["number"] < event["number"] for miss in misses)
            x = self.run_script(f"report.pixel({index} + 0.5, {box['width']})")
            browser.click(box["x"] + x, box["y"] + lane["y"] + lane["height"] * 5 / 6)
            text = self.run_script("document.getElementById('details').innerText")
            self.assertIn(event["step"], text)
            self.assertRegex(text, rf"event\s+{event['number']}\b")
            self.assertRegex(text, rf"thread\s+{event['task']}\b")

    def test_the_byte_at_the_probe_point_is_told_for_every_event(self):
        log = self.race("inline")
        self.open(log)
        events, misses, _ = read_log(log)
        armed = {}
        state = None
        for event in events:  # by hand, from the log alone
            state = {"text-armed": "int3", "text-restored": "the original byte"}.get(event["step"], state)
            armed[event["number"]] = state
        for event in events:
            if event["space"] == 0 or armed[event["number"]] is None:
                continue
            index = event["number"] - 1 + sum(miss["number"] < event["number"] for miss in misses)
            self.run_script(f"report.select({index})")
            text = self.run_script("document.getElementById('details').innerText")
            self.assertRegex(text, rf":hot: {armed[event['number']]} ")

    def test_keys_go_to_the_miss_zoom_and_change_the_axis(self):
        browser = self.open(self.race("inline"))
        browser.key("m")
        text = self.run_script("document.getElementById('details').innerText")
        self.assertIn("t1 had put the original byte back", text)
        self.assertIn("no handler ran", text)
        whole = self.run_script("report.view()")
        browser.key("+")
        half = self.run_script("report.view()")
        self.assertAlmostEqual((half["to"] - half["from"]) / (whole["to"] - whole["from"]), 0.5, places=2)
        browser.key("0")
        browser.key("o")
        self.assertEqual(self.run_script("report.axis()"), "time")
        browser.key("Escape")
        self.assertEqual(self.run_script("report.selected()"), -1)
        browser.key("ArrowRight")
        browser.key("ArrowRight")
        self.assertEqual(self.run_script("report.selected()"), 1)
        box = self.box()
        browser.wheel(box["x"] + 500, box["y"] + 60, -100)
        zoomed = self.run_script("report.view()")
        self.assertLess(zoomed["to"] - zoomed["from"], self.run_script("report.axes.time.length"))

    def test_search_finds_what_the_log_has(self):
        log = self.race("inline")
        events, _, _ = read_log(log)
        browser = self.open(log)
        browser.key("/")
        for wanted, number in {
            "text-": sum("text-" in e["step"] for e in events),
            "clone": 1,
            "#8": 1,
            "missed": 1,
            "zebra": 0,
        }.items():
            self.run_script("document.getElementById('search').select()")
            browser.type(wanted)
            self.assertEqual(self.run_script("document.getElementById('found').textContent"), f"{number} found", wanted)
        self.run_script("document.getElementById('search').select()")
        browser.type("handler")
        browser.key("Enter")
        self.assertIn("handler", self.run_script("document.getElementById('details').innerText"))

    def test_tables_scenario_and_token(self):
        log = self.race("inline")
        lines = read_log(log)[2]
        self.open(log)
        text = self.run_script("document.body.innerText")
        self.assertRegex(text, r":hot\s+0x401050\s+entry\s+2\s+1\s+1\s+0\s+armed")
        self.assertIn(lines[-1]["end"]["token"], text)
        self.assertIn('intent = "Inline single-step lifts int3', text)
        self.assertIn("MISSED: executes :hot bare", text)  # the columns as text

    def test_dark_and_print(self):
        browser = self.open(self.race("inline"))
        light = self.run_script("getComputedStyle(document.body).backgroundColor")
        self.run_script("document.getElementById('theme').click()")
        self.assertNotEqual(self.run_script("getComputedStyle(document.body).backgroundColor"), light)
        # Both in a dark room and on paper every text must be readable: contrast of 4.5 (WCAG 2.1, 1.4.3).
        for _ in range(2):
            self.assertGreaterEqual(self.run_script(CONTRAST), 4.5)
            self.run_script("document.getElementById('theme').click()")
        self.assertGreater(len(browser.call("Page.printToPDF", printBackground=False)["data"]), 10000)

    def test_a_hundred_thousand_events_are_smooth(self):
        log = self.log("run", "-q", "-p", ":add", "-p", "libc.so.6:pthread_mutex_lock", "--cpus", "4", "--", self.guest("threads8"))
        events, _, _ = read_log(log)
        self.assertGreater(len(events), 100_000)
        self.open(log)
        self.assertEqual(self.run_script("report.records"), len(events))
        took = min(self.run_script(FRAMES) for _ in range(5))  # whatever else the machine has to do
        print(f"{len(events)} events: {took:.1f} ms a frame")
        self.assertLess(took, 50)

    def test_what_guests_and_files_are_called_cannot_break_the_page(self):
        evil = "</script><script>window.evil=1</script><img src=x onerror=window.evil=2>"
        with open(self.race("inline")) as file:
            lines = [json.loads(line) for line in file]
        lines[0]["program"] = "/a<b>&\"'"
        lines[0]["args"] = [evil]
        lines[0]["scenario"] = {"name": evil, "text": evil}
        for line in lines:
            if line.get("step") == "syscall":
                line["text"] = evil
        log = self.file("evil", "\n".join(map(json.dumps, lines)) + "\n")
        browser = self.open(log)
        self.assertIsNone(self.run_script("window.evil"))
        self.assertIn(evil, self.run_script("document.title"))
        browser.key("m")
        self.assertEqual([url for url in browser.requests() if not url.startswith(("file://", "data:"))], [])


CONTRAST = """(() => {
  const parse = colour => colour.match(/[0-9.]+/g).slice(0, 3).map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * r + 0.7152 * g + 0.0722 * b;
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\\)$/.test(c)) return c; } return "rgb(255,255,255)"; };
  let least = 99;
  for (const e of document.querySelectorAll("h1, h2, p, td, th, dt, dd, li, button, pre, footer, b")) {
    const a = light(parse(getComputedStyle(e).color)), b = light(parse(behind(e)));
    if (!e.disabled) least = Math.min(least, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
  }
  return least;
})()"""

FRAMES = """(() => {
  const length = report.axes.time.length, begin = performance.now(), frames = 40;
  for (let k = 0; k < frames; ++k) {
    const width = length / (1 + k * k);
    report.setView(length * k / frames / 2, length * k / frames / 2 + width);
    report.draw();
  }
  return (performance.now() - begin) / frames;
})()"""


if __name__ == "__main__":
    if chromium.find() is None:
        print("skipped: Chromium is not installed")
        sys.exit(77)
    harness.main()
