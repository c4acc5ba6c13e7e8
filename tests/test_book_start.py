"""The start page and the clip explorer of the built book, in a browser."""


def test_the_start_page_is_light_and_says_all_on_one_screen(address, browser):
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(120_000)
    page = context.new_page()
    received = []
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    page.goto(f"{address}/index.html", wait_until="load")
    page.wait_for_selector("lrar-explorer canvas")
    page.wait_for_load_state("networkidle")
    assert sum(received) < 1_500_000, "bytes, uncompressed"
    assert page.locator("lrar-explorer + p strong").first.inner_text() == "synthetic"
    verdicts = page.locator("table", has_text="C4: The whole system").first.locator("tbody tr")
    for shown in (page.locator(".bd-article h1"), page.locator("lrar-explorer"), *verdicts.all()[:4]):
        box = shown.bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= 900, shown
    context.close()


def test_the_clip_explorer_shows_clips_of_the_book(address, browser):
    context = browser.new_context()
    context.set_default_timeout(120_000)
    page = context.new_page()
    page.goto(f"{address}/explorer.html", wait_until="load")
    clips = page.locator("lrar-explorer .choice select").first
    clips.locator("option").first.wait_for(state="attached")
    keys = [option.get_attribute("value") for option in clips.locator("option").all()]
    assert sum(key.startswith("synthetic/") for key in keys) == 12, "one clip an action"
    for key in keys[-2:]:
        clips.select_option(key)
        of_clip = f"performance.getEntriesByType('resource').filter(({{name}}) => name.includes('/explorer/{key}/'))"
        page.wait_for_function(f"() => {of_clip}.length === 8")
        assert 10_000 < page.evaluate(f"{of_clip}.reduce((sum, each) => sum + each.encodedBodySize, 0)") < 400_000
    context.close()
