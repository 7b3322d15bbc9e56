package dev.dormouse.restore;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.restore.PageMap.Fate;
import dev.dormouse.restore.PageMap.Origins;
import java.io.IOException;
import org.junit.jupiter.api.Test;

class PageMapTest {
    @Test
    void countsEachPageInItsCellAlsoWhereARunCrossesSome() {
        var map = new PageMap(new MemorySource(100_000));

        map.placed(Fate.PREFETCHED, 6, 20);
        map.placed(Fate.DEMANDED, 99_999, 1);

        assertThat(map.pagesPerCell()).isEqualTo(8);
        assertThat(map.cellCount()).isEqualTo(12_500);
        assertThat(new int[] {
                    map.count(Fate.PREFETCHED, 0),
                    map.count(Fate.PREFETCHED, 1),
                    map.count(Fate.PREFETCHED, 2),
                    map.count(Fate.PREFETCHED, 3),
                    map.count(Fate.PREFETCHED, 4)
                })
                .containsExactly(2, 8, 8, 2, 0);
        assertThat(map.count(Fate.DEMANDED, 12_499)).isEqualTo(1);
        assertThat(map.count(Fate.WORKING_SET, 12_499)).isZero();
    }

    @Test
    void aSmallGuestHasACellForEachPage() {
        var map = new PageMap(new MemorySource(100));

        assertThat(map.pagesPerCell()).isEqualTo(1);
        assertThat(map.cellCount()).isEqualTo(100);
        assertThat(map.frameCount()).isEqualTo(100);
    }

    @Test
    void tellsWherePagesWereAsLongAsTheImageIsThere() throws IOException {
        var map = new PageMap(new MemorySource(40_000).withZeroes(3, 9));
        var late = new PageMap(new MemorySource(10));

        Origins origins = map.origins();
        map.close();
        late.close();

        assertThat(new int[] {origins.zero(0), origins.zero(1), origins.zero(2), origins.zero(3)})
                .containsExactly(1, 4, 1, 0);
        assertThat(origins.onDisk(1)).isZero();
        assertThat(map.origins()).isSameAs(origins);
        assertThat(late.origins()).isNull();
        assertThat(late.isComplete()).isTrue();
    }
}
