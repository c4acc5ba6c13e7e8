// Frames on their way to a student: cropped, made grey and low resolution as in Python, and gathered around 16 moments.

export const RATE = 25; // frames a second of the clips that students are trained on
const SCALE = 4; // rows of HR to a row of LR
const SEGMENTS = 16;
const WINDOW = 4; // LR frames around a segment's centre: t-1 to t+2

// Keys' cubic kernel, a = -0.5.
function cubic(x) {
  x = Math.abs(x);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

// The weights of each LR pixel along one side: the kernel stretched by the scale, cut off at the border.
function taps(size) {
  return Array.from({ length: size / SCALE }, (_, i) => {
    const centre = (i + 0.5) * SCALE;
    const first = Math.max(0, Math.trunc(centre - 2 * SCALE + 0.5));
    const last = Math.min(size, Math.trunc(centre + 2 * SCALE + 0.5));
    const weights = Array.from({ length: last - first }, (_, j) => cubic((j + first - centre + 0.5) / SCALE));
    const sum = weights.reduce((a, b) => a + b);
    return { first, weights: weights.map((w) => w / sum) };
  });
}

/** Grey HR bytes (rows x columns) to LR bytes, as lrar.degrade.downsample makes them. */
export function downsample(high, rows, columns) {
  const across = taps(columns);
  const down = taps(rows);
  const narrow = new Float64Array(rows * across.length);
  for (let row = 0; row < rows; row++)
    across.forEach(({ first, weights }, column) => {
      let sum = 0;
      for (let j = 0; j < weights.length; j++) sum += weights[j] * high[row * columns + first + j];
      narrow[row * across.length + column] = sum;
    });
  const low = new Uint8ClampedArray(down.length * across.length); // clamps and rounds
  down.forEach(({ first, weights }, row) => {
    for (let column = 0; column < across.length; column++) {
      let sum = 0;
      for (let j = 0; j < weights.length; j++) sum += weights[j] * narrow[(first + j) * across.length + column];
      low[row * across.length + column] = sum;
    }
  });
  return low;
}

// Canvases are kept: a new one for each frame would be hundreds of MB a second for a large camera.
const canvases = new Map();

function drawingOf(columns, rows) {
  const key = `${columns}x${rows}`;
  if (!canvases.has(key)) {
    const drawing = new OffscreenCanvas(columns, rows).getContext("2d", { willReadFrequently: true });
    drawing.imageSmoothingQuality = "high";
    drawing.globalCompositeOperation = "copy"; // nothing of the frame before shows through
    canvases.set(key, drawing);
  }
  return canvases.get(key);
}

/** The middle of a picture, in the student's shape, shrunk in halves to HR and made grey: LR bytes. */
export function reduce(picture, width, height, [lowRows, lowColumns]) {
  const [rows, columns] = [lowRows * SCALE, lowColumns * SCALE];
  const cropHeight = Math.min(height, Math.round((width * rows) / columns));
  const cropWidth = Math.min(width, Math.round((height * columns) / rows));
  let factor = 2 ** Math.max(0, Math.floor(Math.log2(cropHeight / rows)));
  let from = [picture, (width - cropWidth) / 2, (height - cropHeight) / 2, cropWidth, cropHeight];
  let drawing;
  for (; factor >= 1; factor /= 2) {
    drawing = drawingOf(columns * factor, rows * factor);
    const { canvas } = drawing;
    drawing.drawImage(...from, 0, 0, canvas.width, canvas.height);
    from = [canvas, 0, 0, canvas.width, canvas.height];
  }
  const { data } = drawing.getImageData(0, 0, columns, rows);
  const grey = new Uint8ClampedArray(rows * columns);
  for (let i = 0; i < grey.length; i++)
    grey[i] = 0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2]; // BT.601
  return downsample(grey, rows, columns);
}

/** What a student reads of LR frames: float32 (1, 16, 4, 1, h, w), as lrar.small.read gives it. */
export function gather(frames, [rows, columns]) {
  const size = rows * columns;
  const low = new Float32Array(SEGMENTS * WINDOW * size);
  for (let segment = 0; segment < SEGMENTS; segment++) {
    const centre = Math.floor(((segment + 0.5) * (frames.length - 1)) / SEGMENTS);
    for (let k = 0; k < WINDOW; k++) {
      const frame = frames[Math.min(Math.max(centre + k - 1, 0), frames.length - 1)];
      const start = (segment * WINDOW + k) * size;
      for (let i = 0; i < size; i++) low[start + i] = frame[i] / 255;
    }
  }
  return { low, shape: [1, SEGMENTS, WINDOW, 1, rows, columns] };
}
