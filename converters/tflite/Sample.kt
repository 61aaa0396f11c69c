// Names what is on a photo, on Android, with com.google.ai.edge.litert:litert:1.4.0 or later 1.x.
//
// Nothing compiled or ran this file where it was written. It resizes with Android's own filter, so the
// pixels aren't those of Loupe and answers can differ. Put model.tflite and config.json into assets/.

import android.content.Context
import android.graphics.Bitmap
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.json.JSONArray
import org.json.JSONObject
import org.tensorflow.lite.Interpreter

class Classifier(context: Context) {
    private val config =
        JSONObject(context.assets.open("config.json").bufferedReader().use { it.readText() })
    private val labels = config.getJSONArray("labels")
    private val interpreter =
        Interpreter(context.assets.open("model.tflite").use { direct(it.readBytes()) })

    /** Returns the three likeliest labels with their probabilities; null for "none of these". */
    fun identify(photo: Bitmap): List<Pair<String, Float>>? {
        val probabilities = Array(1) { FloatArray(labels.length()) }
        val novelty = FloatArray(1)
        val outputs = mutableMapOf<String, Any>("probabilities" to probabilities)
        if ("novelty" in interpreter.getSignatureOutputs(SIGNATURE)) outputs["novelty"] = novelty
        interpreter.runSignature(mapOf("pixels" to pixels(photo)), outputs, SIGNATURE)

        val threshold =
            config.optJSONObject("calibration")?.optDouble("ood_threshold", Double.NaN) ?: Double.NaN
        // A comparison with NaN is false: without a threshold, nothing is rejected.
        if (novelty[0] > threshold) return null
        return probabilities[0].withIndex().sortedByDescending { it.value }.take(3)
            .map { labels.getString(it.index) to it.value }
    }

    /** Returns uint8 [1, height, width, 3], in colour; the photo is upright. */
    private fun pixels(photo: Bitmap): ByteBuffer {
        val recipe = config.getJSONObject("recipe")
        val (height, width) = recipe.getJSONArray("resize").pair()
        val (high, wide) = recipe.optJSONArray("crop")?.pair() ?: (height to width)
        // For "pad" and "squish", replace this cut.
        check(recipe.getString("method") == "crop") { "This sample only crops" }
        val scale = minOf(photo.width / width.toFloat(), photo.height / height.toFloat())
        val w = maxOf(1, (scale * width).toInt())
        val h = maxOf(1, (scale * height).toInt())
        val cut = Bitmap.createBitmap(photo, (photo.width - w) / 2, (photo.height - h) / 2, w, h)
        val scaled = Bitmap.createScaledBitmap(cut, width, height, true)
        val values = IntArray(wide * high)
        scaled.getPixels(values, 0, wide, (width - wide) / 2, (height - high) / 2, wide, high)
        val buffer = ByteBuffer.allocateDirect(3 * values.size)
        for (value in values) {
            buffer.put((value shr 16).toByte()).put((value shr 8).toByte()).put(value.toByte())
        }
        buffer.rewind()
        return buffer
    }

    private fun JSONArray.pair() = getInt(0) to getInt(1)

    private fun direct(bytes: ByteArray): ByteBuffer =
        ByteBuffer.allocateDirect(bytes.size).order(ByteOrder.nativeOrder()).put(bytes)
            .apply { rewind() }

    private companion object {
        const val SIGNATURE = "serving_default"
    }
}
