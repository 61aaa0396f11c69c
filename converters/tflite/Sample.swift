// Names what is on a photo, on iOS, with the pod TensorFlowLiteSwift.
//
// Nothing compiled or ran this file where it was written. It resizes with Core Graphics, so the pixels
// aren't those of Loupe and answers can differ. Add model.tflite and config.json to the app's bundle.

import CoreGraphics
import Foundation
import TensorFlowLite

struct Config: Decodable {
    struct Recipe: Decodable {
        let resize: [Int]
        let method: String
        let crop: [Int]?
    }
    struct Calibration: Decodable {
        let ood_threshold: Float?
    }
    let labels: [String]
    let recipe: Recipe
    let calibration: Calibration?
}

enum SampleError: Error {
    case unsupportedMethod(String)
    case noPixels
}

final class Classifier {
    private let config: Config
    private let interpreter: Interpreter

    init(model: URL, config: URL) throws {
        self.config = try JSONDecoder().decode(Config.self, from: Data(contentsOf: config))
        interpreter = try Interpreter(modelPath: model.path)
        try interpreter.allocateTensors()
    }

    /// Returns the three likeliest labels with their probabilities; nil for "none of these".
    func identify(_ photo: CGImage) throws -> [(label: String, probability: Float)]? {
        try interpreter.copy(pixels(of: photo), toInputAt: 0)
        try interpreter.invoke()
        var probabilities: [Float] = []
        var novelty: Float?
        for index in 0..<interpreter.outputTensorCount {
            let tensor = try interpreter.output(at: index)
            let values = tensor.data.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
            // novelty has one dimension, probabilities have two.
            if tensor.shape.rank == 1 { novelty = values.first } else { probabilities = values }
        }
        if let novelty, let threshold = config.calibration?.ood_threshold, novelty > threshold {
            return nil
        }
        return probabilities.enumerated().sorted { $0.element > $1.element }.prefix(3)
            .map { (config.labels[$0.offset], $0.element) }
    }

    /// Returns uint8 [1, height, width, 3], in colour; the photo is upright.
    private func pixels(of photo: CGImage) throws -> Data {
        let recipe = config.recipe
        // For "pad" and "squish", replace this cut.
        guard recipe.method == "crop" else { throw SampleError.unsupportedMethod(recipe.method) }
        let (height, width) = (recipe.resize[0], recipe.resize[1])
        let (high, wide) = (recipe.crop?[0] ?? height, recipe.crop?[1] ?? width)
        let scale = min(Double(photo.width) / Double(width), Double(photo.height) / Double(height))
        let w = max(1, Int(scale * Double(width))), h = max(1, Int(scale * Double(height)))
        let box = CGRect(x: (photo.width - w) / 2, y: (photo.height - h) / 2, width: w, height: h)
        guard
            let cut = photo.cropping(to: box),
            let context = CGContext(
                data: nil, width: width, height: height, bitsPerComponent: 8, bytesPerRow: 4 * width,
                space: CGColorSpace(name: CGColorSpace.sRGB)!,
                bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue)
        else { throw SampleError.noPixels }
        context.interpolationQuality = .high
        context.draw(cut, in: CGRect(x: 0, y: 0, width: width, height: height))
        guard let memory = context.data else { throw SampleError.noPixels }
        let bytes = memory.bindMemory(to: UInt8.self, capacity: 4 * width * height)
        var data = Data(capacity: 3 * wide * high)
        let (top, left) = ((height - high) / 2, (width - wide) / 2)
        for y in top..<(top + high) {
            for x in left..<(left + wide) {
                data.append(bytes + 4 * (y * width + x), count: 3)
            }
        }
        return data
    }
}
